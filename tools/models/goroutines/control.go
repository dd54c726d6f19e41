package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The first line of a server under control.
type ready struct {
	Model   string            `json:"model"`
	Rows    map[string]string `json:"rows"`
	Options map[string]string `json:"options"`
}

// Totals since the start. Calls are not counted here: Go's runtime makes them.
type sample struct {
	At          int64   `json:"at_us"`
	User        int64   `json:"user_us"`
	System      int64   `json:"system_us"`
	Voluntary   int64   `json:"voluntary"`
	Involuntary int64   `json:"involuntary"`
	RunDelay    *uint64 `json:"run_delay_ns"`
	Resident    uint64  `json:"resident_kb"`
	Threads     uint64  `json:"threads"`
	Descriptors int     `json:"descriptors"`
	Connections int     `json:"connections"`
	Calls       any     `json:"calls"`
	Turns       any     `json:"turns"`
}

// answer says what listens, then answers each line `sample` or `totals`; the end of stdin is the
// server's.
func answer(s *server, r ready, signals chan<- os.Signal) {
	say := json.NewEncoder(os.Stdout)
	say.Encode(r)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case "sample":
			say.Encode(whole(s))
		case "totals":
			say.Encode(spent(s))
		}
	}
	signals <- syscall.SIGTERM
}

var begun = time.Now()

// whole is all of a sample.
func whole(s *server) sample {
	all := spent(s)
	status, _ := os.ReadFile("/proc/self/status")
	files, _ := os.ReadDir("/proc/self/fd")
	all.Descriptors = len(files)
	if all.Descriptors > 0 {
		all.Descriptors-- // the folder itself
	}
	all.Resident = field(string(status), "VmRSS:")
	all.Threads = field(string(status), "Threads:")
	return all
}

// spent is what is divided by requests, times first, at one moment. To look through thousands of
// descriptors when a window begins is work that it would contain.
func spent(s *server) sample {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	at := time.Since(begun).Microseconds()
	return sample{
		At:          at,
		User:        usage.Utime.Nano() / 1000,
		System:      usage.Stime.Nano() / 1000,
		Voluntary:   int64(usage.Nvcsw),
		Involuntary: int64(usage.Nivcsw),
		RunDelay:    runDelay(),
		Connections: s.live(),
	}
}

// field is the number of a line of /proc/self/status.
func field(status, name string) uint64 {
	_, rest, _ := strings.Cut(status, name)
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	number, _ := strconv.ParseUint(words[0], 10, 64)
	return number
}

// runDelay is how long threads were ready to run and did not, where the system tells.
func runDelay() *uint64 {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	var sum uint64
	for _, task := range tasks {
		text, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/schedstat")
		words := strings.Fields(string(text))
		if len(words) < 2 {
			return nil
		}
		delay, _ := strconv.ParseUint(words[1], 10, 64)
		sum += delay
	}
	return &sum
}
