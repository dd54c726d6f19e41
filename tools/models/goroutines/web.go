package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxBytes   = 16 << 20
	maxCompute = 1_000_000
	line       = "the quick brown fox jumps over the lazy dog; 0123456789, again.\n"
)

var block = bytes.Repeat([]byte(line), 64*1024/len(line))

// A request as far as the answers depend on it.
type request struct {
	method, path string
	old          bool // HTTP/1.0
	keepAlive    bool
	expects      bool // 100 Continue
	chunked      bool
	length       int64
}

// A second, and how the Date field shows it.
type second struct {
	at   int64
	text string
}

var shown atomic.Pointer[second]

func date() string {
	now := time.Now()
	if last := shown.Load(); last != nil && last.at == now.Unix() {
		return last.text
	}
	next := &second{now.Unix(), now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")}
	shown.Store(next)
	return next.text
}

// An exchange on one connection.
type exchange struct {
	in  *bufio.Reader
	out *bufio.Writer
	req request
}

// web serves HTTP/1.1 on one connection until it ends.
func web(s *server, c net.Conn) {
	x := exchange{in: bufio.NewReader(c), out: bufio.NewWriter(c)}
	for {
		// Answers to pipelined requests leave together.
		if x.in.Buffered() == 0 {
			if x.out.Flush() != nil {
				return
			}
			c.SetReadDeadline(s.patience())
		}
		if status := x.read(); status != 0 {
			if status > 0 {
				x.req.keepAlive = false
				x.answer(status, "text/plain; charset=utf-8", []byte("refused\n"))
				x.out.Flush()
			}
			return
		}
		x.req.keepAlive = x.req.keepAlive && !s.draining.Load()
		if x.serve() != nil || !x.req.keepAlive {
			x.out.Flush()
			return
		}
	}
}

// read takes a request head. It returns 0, the status of a refusal, or -1 if there is nobody to tell.
func (x *exchange) read() int {
	first, err := x.line()
	if err != nil {
		return -1
	}
	words := strings.Split(first, " ")
	if len(words) != 3 || !strings.HasPrefix(words[2], "HTTP/1.") {
		return 400
	}
	old := words[2] == "HTTP/1.0"
	path, _, _ := strings.Cut(words[1], "?")
	x.req = request{method: words[0], path: path, old: old, keepAlive: !old}
	host := false
	for {
		field, err := x.line()
		if err != nil {
			return -1
		}
		if field == "" {
			break
		}
		name, value, found := strings.Cut(field, ":")
		if !found {
			return 400
		}
		value = strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "Host"):
			host = true
		case strings.EqualFold(name, "Content-Length"):
			length, err := strconv.ParseUint(value, 10, 62)
			if err != nil {
				return 400
			}
			x.req.length = int64(length)
		case strings.EqualFold(name, "Transfer-Encoding"):
			if !strings.EqualFold(value, "chunked") {
				return 501
			}
			x.req.chunked = true
		case strings.EqualFold(name, "Connection"):
			x.req.keepAlive = strings.EqualFold(value, "keep-alive") || !strings.EqualFold(value, "close") && !old
		case strings.EqualFold(name, "Expect"):
			x.req.expects = strings.EqualFold(value, "100-continue")
		}
	}
	if !host && !old || x.req.chunked && x.req.length > 0 {
		return 400
	}
	return 0
}

func (x *exchange) line() (string, error) {
	text, err := x.in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return string(bytes.TrimRight(text, "\r\n")), nil
}

func (x *exchange) serve() error {
	is := x.req.method == "GET" || x.req.method == "HEAD"
	bytesOf, hasBytes := after(x.req.path, "/bytes/")
	micros, hasMicros := after(x.req.path, "/compute/")
	switch {
	case x.req.path == "/plaintext" && is:
		return x.answer(200, "text/plain", []byte("Hello, World!"))
	case x.req.path == "/echo" && x.req.method == "POST":
		return x.echo()
	case x.req.path == "/echo":
		return x.refuse("POST")
	case x.req.path != "/plaintext" && !hasBytes && !hasMicros:
		return x.answer(404, "text/plain; charset=utf-8", []byte("not here\n"))
	case !is:
		return x.refuse("GET, HEAD")
	case hasBytes:
		return x.pour(bytesOf)
	default:
		return x.compute(micros)
	}
}

func (x *exchange) compute(micros string) error {
	count, err := strconv.ParseUint(micros, 10, 32)
	if err != nil || count > maxCompute {
		return x.answer(400, "text/plain; charset=utf-8", []byte("/compute/ takes microseconds, at most 1000000\n"))
	}
	burn(time.Duration(count) * time.Microsecond)
	return x.answer(200, "text/plain", []byte("computed\n"))
}

var sink atomic.Uint64

// after is what follows a prefix.
func after(text, prefix string) (string, bool) {
	return strings.TrimPrefix(text, prefix), strings.HasPrefix(text, prefix)
}

// burn computes for so long, by the clock of the thread: the one on the wall goes on while others
// have the CPU, and would take their work for ours.
func burn(span time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for start := threadTime(); threadTime()-start < span; {
		work(100)
	}
}

func work(count uint64) {
	state := uint64(1)
	for ; count > 0; count-- {
		for i := 0; i < 20; i++ {
			state = state*6364136223846793005>>17 | state<<47
		}
	}
	sink.Store(state)
}

func (x *exchange) pour(text string) error {
	count, err := strconv.ParseUint(text, 10, 32)
	if err != nil || count > maxBytes {
		return x.answer(400, "text/plain; charset=utf-8", []byte("/bytes/ takes a number, at most 16777216\n"))
	}
	x.head(200, "Content-Type: application/octet-stream\r\n", int64(count))
	if x.req.method == "HEAD" {
		return nil
	}
	for left := int(count); left > 0; {
		n := len(block)
		if left < n {
			n = left
		}
		if _, err := x.out.Write(block[:n]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// echo sends a body back while it comes.
func (x *exchange) echo() error {
	if x.req.expects {
		x.out.WriteString("HTTP/1.1 100 Continue\r\n\r\n")
		if err := x.out.Flush(); err != nil {
			return err
		}
	}
	if !x.req.chunked {
		x.head(200, "Content-Type: application/octet-stream\r\n", x.req.length)
		_, err := io.CopyN(x.out, x.in, x.req.length)
		return err
	}
	x.head(200, "Content-Type: application/octet-stream\r\n", -1)
	for {
		text, err := x.line()
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(text, ";")
		count, err := strconv.ParseUint(size, 16, 31)
		if err != nil {
			return err
		}
		if count == 0 {
			break
		}
		x.out.WriteString(strconv.FormatUint(count, 16) + "\r\n")
		if _, err := io.CopyN(x.out, x.in, int64(count)); err != nil {
			return err
		}
		if _, err := x.line(); err != nil {
			return err
		}
		x.out.WriteString("\r\n")
	}
	for {
		trailer, err := x.line()
		if err != nil {
			return err
		}
		if trailer == "" {
			_, err := x.out.WriteString("0\r\n\r\n")
			return err
		}
	}
}

func (x *exchange) refuse(allowed string) error {
	return x.whole(405, "Allow: "+allowed+"\r\n", nil)
}

func (x *exchange) answer(status int, kind string, body []byte) error {
	return x.whole(status, "Content-Type: "+kind+"\r\n", body)
}

func (x *exchange) whole(status int, fields string, body []byte) error {
	// What the request still has is no next request.
	if x.req.length > 0 || x.req.chunked {
		x.req.keepAlive = false
	}
	x.head(status, fields, int64(len(body)))
	if x.req.method == "HEAD" {
		return nil
	}
	_, err := x.out.Write(body)
	return err
}

var phrases = map[int]string{200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 501: "Not Implemented"}

// head writes the same fields, in the same order, as readyloop does. A negative length is chunked.
func (x *exchange) head(status int, fields string, length int64) {
	x.out.WriteString("HTTP/1.1 ")
	x.out.WriteString(strconv.Itoa(status))
	x.out.WriteString(" ")
	x.out.WriteString(phrases[status])
	x.out.WriteString("\r\nServer: readyloop\r\nDate: ")
	x.out.WriteString(date())
	x.out.WriteString("\r\n")
	x.out.WriteString(fields)
	if length < 0 {
		x.out.WriteString("Transfer-Encoding: chunked\r\n")
	} else {
		x.out.WriteString("Content-Length: ")
		x.out.WriteString(strconv.FormatInt(length, 10))
		x.out.WriteString("\r\n")
	}
	if !x.req.keepAlive {
		x.out.WriteString("Connection: close\r\n")
	} else if x.req.old {
		x.out.WriteString("Connection: keep-alive\r\n")
	}
	x.out.WriteString("\r\n")
}
