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

// answer says what listens, then answers each line `sample`; the end of stdin is the server's.
func answer(s *server, r ready, signals chan<- os.Signal) {
	say := json.NewEncoder(os.Stdout)
	say.Encode(r)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "sample" {
			say.Encode(measure(s))
		}
	}
	signals <- syscall.SIGTERM
}

var begun = time.Now()

// measure reads what is divided by requests first, at one moment.
func measure(s *server) sample {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	at := time.Since(begun).Microseconds()
	status, _ := os.ReadFile("/proc/self/status")
	files, _ := os.ReadDir("/proc/self/fd")
	descriptors := len(files)
	if descriptors > 0 {
		descriptors-- // the folder itself
	}
	return sample{
		At:          at,
		User:        usage.Utime.Nano() / 1000,
		System:      usage.Stime.Nano() / 1000,
		Voluntary:   int64(usage.Nvcsw),
		Involuntary: int64(usage.Nivcsw),
		RunDelay:    runDelay(),
		Resident:    field(string(status), "VmRSS:"),
		Threads:     field(string(status), "Threads:"),
		Descriptors: descriptors,
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
