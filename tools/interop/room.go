// Members of the chat room as Go tutorials write them, on the standard library alone: a heart-beat
// each second, and texts of the form TIME\n\tNAME: MESSAGE. Each mode says what it saw; the exit
// code is the verdict.
//
//	go run room.go talk ADDRESS     two members hear each other, not themselves, and stay for 7 s
//	go run room.go silent ADDRESS   one that says nothing is dropped after five seconds; one that
//	                                beats once is dropped five seconds after that
//	go run room.go glued ADDRESS    what TCP glues together is told apart
//	go run room.go deaf ADDRESS     one that does not read delays nobody and is told what it lost
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: room MODE ADDRESS")
	}
	modes := map[string]func(string){"talk": talk, "silent": silent, "glued": glued, "deaf": deaf}
	mode, known := modes[os.Args[1]]
	if !known {
		log.Fatalf("no such mode: %s", os.Args[1])
	}
	time.AfterFunc(60*time.Second, func() { log.Fatal("no end after a minute") })
	mode(os.Args[2])
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func stamp(name, message string) string {
	return time.Now().Format("2006-01-02 15:04:05") + "\n\t" + name + ": " + message
}

// A member: what it heard, without the answers to its heart-beats, and how many of those came.
type member struct {
	conn  net.Conn
	mutex sync.Mutex
	heard bytes.Buffer
	beats int
	err   error
	ended chan struct{}
}

func enter(address string) *member {
	conn, err := net.Dial("tcp", address)
	check(err)
	m := &member{conn: conn, ended: make(chan struct{})}
	go m.listen()
	return m
}

func (m *member) listen() {
	defer close(m.ended)
	chunk := make([]byte, 64*1024)
	for {
		n, err := m.conn.Read(chunk)
		m.mutex.Lock()
		if text := strings.TrimLeft(string(chunk[:n]), "1"); text != "" {
			m.heard.WriteString(text)
		}
		m.beats += n - len(strings.TrimLeft(string(chunk[:n]), "1"))
		m.err = err
		m.mutex.Unlock()
		if err != nil {
			return
		}
	}
}

// The tutorials' heart-beat: for as long as the member lives.
func (m *member) beat() {
	for {
		select {
		case <-m.ended:
			return
		case <-time.After(time.Second):
			m.say("1")
		}
	}
}

func (m *member) say(text string) {
	if _, err := io.WriteString(m.conn, text); err != nil && !errors.Is(err, net.ErrClosed) {
		log.Fatalf("say: %v", err)
	}
}

func (m *member) all() string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.heard.String()
}

func (m *member) awaits(text string) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(m.all(), text) {
			return
		}
	}
	log.Fatalf("no %q in %q", text, m.all())
}

func (m *member) answers(count int) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		m.mutex.Lock()
		beats := m.beats
		m.mutex.Unlock()
		if beats >= count {
			return
		}
	}
	log.Fatalf("fewer than %d answers to heart-beats", count)
}

func talk(address string) {
	ann, bob := enter(address), enter(address)
	go ann.beat()
	go bob.beat()
	ann.answers(1)
	bob.answers(1)
	hello := stamp("Ann", "hello")
	ann.say(hello)
	bob.awaits(hello)
	answer := stamp("Bob", "hello, Ann: how are you?")
	bob.say(answer)
	ann.awaits(answer)
	time.Sleep(7 * time.Second)
	for _, m := range []*member{ann, bob} {
		m.answers(6)
		select {
		case <-m.ended:
			log.Fatalf("a member that beats was dropped: %v", m.err)
		default:
		}
	}
	if strings.Contains(ann.all(), "\tAnn: ") || strings.Contains(bob.all(), "\tBob: ") {
		log.Fatal("somebody heard itself")
	}
	fmt.Printf("Ann heard %q, Bob heard %q, both stayed\n", ann.all(), bob.all())
}

func silent(address string) {
	start := time.Now()
	quiet, once := enter(address), enter(address)
	time.Sleep(2 * time.Second)
	once.say("1")
	<-quiet.ended
	first := time.Since(start)
	<-once.ended
	second := time.Since(start)
	if quiet.err != io.EOF || once.err != io.EOF {
		log.Fatalf("not an orderly end: %v, %v", quiet.err, once.err)
	}
	// Never early; how late depends on the machine too.
	if first < 5*time.Second || first > 6*time.Second || second < 7*time.Second || second > 8*time.Second {
		log.Fatalf("dropped after %v and %v", first, second)
	}
	fmt.Printf("dropped after %v, and %v after a heart-beat\n",
		first.Round(time.Millisecond), (second - 2*time.Second).Round(time.Millisecond))
}

func glued(address string) {
	ann, bob := enter(address), enter(address)
	ann.say("111")
	ann.answers(3)
	// A listener takes leading ones for answers, so no hour begins with one here.
	hello := "09:00:00\n\tAnn: hello"
	ann.say("1" + hello)
	bob.awaits(hello)
	ann.answers(4)
	long := stamp("Ann", strings.Repeat("long ", 500))
	ann.say(long)
	bob.awaits(long)
	if strings.HasPrefix(bob.all(), "1") {
		log.Fatalf("a heart-beat was passed on: %q", bob.all()[:20])
	}
	fmt.Println("four heart-beats answered, texts passed on as they were")
}

// Each may say a hundred things at once, so it takes several to fill the kernels' buffers.
const speakers, words = 12, 90

func deaf(address string) {
	conn, err := net.Dial("tcp", address)
	check(err)
	check(conn.(*net.TCPConn).SetReadBuffer(4096))
	slow := &member{conn: conn, ended: make(chan struct{})}
	go slow.beat()
	quick := enter(address)
	go quick.beat()
	quick.answers(1)
	filler := strings.Repeat("x", 3900)
	for speaker := range speakers {
		m := enter(address)
		go m.beat()
		for word := range words {
			mark := fmt.Sprintf("<%d %d>", speaker, word)
			m.say(stamp(fmt.Sprint("Speaker", speaker), filler+mark))
			quick.awaits(mark)
		}
	}
	check(conn.(*net.TCPConn).SetReadBuffer(1 << 20))
	go slow.listen()
	var came, lost int
	for end := time.Now().Add(20 * time.Second); came+lost < speakers*words; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			log.Fatalf("%d came late and %d were said to be lost, of %d", came, lost, speakers*words)
		}
		heard := slow.all()
		came, lost = strings.Count(heard, "x<"), 0
		for _, found := range regexp.MustCompile(`room: (\d+) messages were lost`).FindAllStringSubmatch(heard, -1) {
			count, _ := strconv.Atoi(found[1])
			lost += count
		}
	}
	if lost == 0 {
		log.Fatal("it lost nothing: the test did not test")
	}
	fmt.Printf("the quick one heard %d messages; of these %d came late to the slow one and %d were lost\n",
		speakers*words, came, lost)
}
