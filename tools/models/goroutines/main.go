// Command goroutines answers what readyloop's bench service answers, with a goroutine per connection
// on Go's own scheduler and poller. It is a model in a comparison, not a web server: it knows the few
// requests that loads send, and nothing else. `readyloop serve --model go` builds and runs it.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// How long an idle connection is still listened to while the server drains.
const drainIdle = 500 * time.Millisecond

// What all connections share.
type server struct {
	idle     time.Duration
	nodelay  bool
	draining atomic.Bool
	mutex    sync.Mutex
	open     map[net.Conn]struct{}
}

func (s *server) enter(c net.Conn) {
	s.mutex.Lock()
	s.open[c] = struct{}{}
	s.mutex.Unlock()
}

func (s *server) leave(c net.Conn) {
	s.mutex.Lock()
	delete(s.open, c)
	s.mutex.Unlock()
	c.Close()
}

func (s *server) live() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.open)
}

// patience is until when the peer may be silent.
func (s *server) patience() time.Time {
	if s.draining.Load() {
		return time.Now().Add(drainIdle)
	}
	return time.Now().Add(s.idle)
}

// accept serves every connection of a listener on a goroutine of its own.
func (s *server) accept(l net.Listener, serve func(*server, net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			if s.draining.Load() {
				return
			}
			// Out of descriptors: they come back when somebody leaves.
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if tcp, is := c.(*net.TCPConn); is && !s.nodelay {
			tcp.SetNoDelay(false)
		}
		s.enter(c)
		go func() {
			defer s.leave(c)
			serve(s, c)
		}()
	}
}

// drain ends gracefully: nobody new, then whoever is idle, then whoever takes too long.
func (s *server) drain(listeners []net.Listener, within time.Duration) int {
	s.draining.Store(true)
	for _, l := range listeners {
		l.Close()
	}
	s.mutex.Lock()
	for c := range s.open {
		c.SetReadDeadline(time.Now().Add(drainIdle))
	}
	s.mutex.Unlock()
	for end := time.Now().Add(within); s.live() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	return s.live()
}

func echo(s *server, c net.Conn) {
	buffer := make([]byte, 64*1024)
	for {
		c.SetReadDeadline(s.patience())
		n, err := c.Read(buffer)
		if n > 0 {
			if _, err := c.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// How sockets are to be, as the other models have them.
type options struct {
	nodelay   bool
	keepAlive time.Duration
	defers    bool
}

// listen opens a socket with these options; first says that clients of this row begin.
func (o options) listen(at string, first bool) (net.Listener, error) {
	if path, found := after(at, "unix:"); found {
		return net.Listen("unix", path)
	}
	config := net.ListenConfig{KeepAlive: -1}
	if o.keepAlive > 0 {
		config.KeepAlive = o.keepAlive
	}
	if first && o.defers && runtime.GOOS == "linux" {
		const deferAccept = 9 // TCP_DEFER_ACCEPT
		config.Control = func(_, _ string, c syscall.RawConn) error {
			var failed error
			err := c.Control(func(fd uintptr) {
				failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, deferAccept, 1)
			})
			if err != nil {
				return err
			}
			return failed
		}
	}
	return config.Listen(context.Background(), "tcp", at)
}

// onOff is how the other models print a switch.
func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// queue is how many connections the kernel keeps until they are accepted: Go asks for all it may.
func queue() string {
	most, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(most))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}

func main() {
	plain := flag.String("http", "", "address of the row http")
	secure := flag.String("https", "", "address of the row https")
	raw := flag.String("tcp-echo", "", "address of the row tcp-echo")
	cert := flag.String("cert", "", "certificate chain, PEM")
	key := flag.String("key", "", "private key, PEM")
	idle := flag.Duration("idle", time.Minute, "how long a connection may be silent")
	within := flag.Duration("drain", 10*time.Second, "how long a graceful end may take")
	control := flag.Bool("control", false, "answer questions on stdin")
	var sockets options
	flag.BoolVar(&sockets.nodelay, "nodelay", true, "send small writes at once")
	flag.DurationVar(&sockets.keepAlive, "keep-alive", 0, "probe peers that are silent for so long")
	flag.BoolVar(&sockets.defers, "defer-accept", false, "accept web clients when they have begun")
	flag.Parse()

	s := &server{idle: *idle, nodelay: sockets.nodelay, open: map[net.Conn]struct{}{}}
	rows := map[string]string{}
	var listeners []net.Listener
	row := func(name, at string, wrap func(net.Listener) net.Listener, serve func(*server, net.Conn)) {
		if at == "" {
			return
		}
		l, err := sockets.listen(at, name != "tcp-echo")
		if err != nil {
			fail(err)
		}
		rows[name] = l.Addr().String()
		l = wrap(l)
		listeners = append(listeners, l)
		go s.accept(l, serve)
	}
	same := func(l net.Listener) net.Listener { return l }
	row("http", *plain, same, web)
	row("tcp-echo", *raw, same, echo)
	if *secure != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			fail(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
		row("https", *secure, func(l net.Listener) net.Listener { return tls.NewListener(l, config) }, web)
	}

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	shown := map[string]string{
		"gomaxprocs":     fmt.Sprint(runtime.GOMAXPROCS(0)),
		"go":             runtime.Version(),
		"read-buffer":    "4k, of tcp-echo 64k",
		"write-buffer":   "4k",
		"idle":           idle.String(),
		"nodelay":        onOff(sockets.nodelay),
		"keep-alive":     sockets.keepAlive.String(),
		"defer-accept":   onOff(sockets.defers),
		"accept-backlog": queue(),
	}
	if *control {
		go answer(s, ready{Model: "go", Rows: rows, Options: shown}, signals)
	} else {
		for name, at := range rows {
			fmt.Printf("%s\t%s\n", name, at)
		}
	}
	<-signals
	go func() {
		<-signals
		os.Exit(6)
	}()
	if s.drain(listeners, *within) > 0 {
		os.Exit(6)
	}
}
