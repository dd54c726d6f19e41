// A load that asks the server to end, and counts what was lost. A request that was sent on an open
// connection must be answered in full, or the connection must have been ended before it was sent.
//
//	go run drainer.go keep|fresh URL SERVER-PID [CERTIFICATE]
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const clients = 50

var answered, after, lost, refused, late atomic.Int64
var ending atomic.Bool

func main() {
	log.SetFlags(0)
	mode, target := os.Args[1], parse(os.Args[2])
	server, err := strconv.Atoi(os.Args[3])
	check(err)
	var config *tls.Config
	if target.Scheme == "https" {
		config = trust(os.Args[4])
	}
	time.AfterFunc(time.Minute, func() { log.Fatal("no end after a minute") })
	var wait sync.WaitGroup
	for i := 0; i < clients; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for connection(target, config, mode == "keep") {
			}
		}()
	}
	time.Sleep(time.Second)
	early := answered.Load()
	ending.Store(true)
	check(syscall.Kill(server, syscall.SIGTERM))
	wait.Wait()
	fmt.Printf("%d answered, %d of them after SIGTERM; %d lost, %d ended between requests, %d refused\n",
		answered.Load(), after.Load(), lost.Load(), late.Load(), refused.Load())
	// Every client goes on until nobody listens, so each is refused once.
	if lost.Load() > 0 || early == 0 || refused.Load() != clients {
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func parse(text string) *url.URL {
	target, err := url.Parse(text)
	check(err)
	return target
}

func trust(file string) *tls.Config {
	pem, err := os.ReadFile(file)
	check(err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		log.Fatal("no certificate in ", file)
	}
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

// connection makes one connection and uses it; false when nobody listens any more.
func connection(target *url.URL, config *tls.Config, keep bool) bool {
	// A connection attempt that nobody hears is no request; two seconds are long enough for loopback.
	conn, err := net.DialTimeout("tcp", target.Host, 2*time.Second)
	if err != nil {
		refused.Add(1)
		return false
	}
	if config != nil {
		secured := tls.Client(conn, config)
		// As with TCP's handshake: until it is done no request was sent.
		if err := secured.Handshake(); err != nil {
			conn.Close()
			late.Add(1)
			return true
		}
		conn = secured
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	closing := ""
	if !keep {
		closing = "Connection: close\r\n"
	}
	for {
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target.Path, closing); err != nil {
			late.Add(1)
			return true
		}
		if !answer(conn, reader) {
			return true
		}
	}
}

// answer reads one answer to its end; false if the connection is over.
func answer(conn net.Conn, reader *bufio.Reader) bool {
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	response, err := http.ReadResponse(reader, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
	}
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	if err != nil {
		// Only the first few: one cause often repeats.
		if lost.Add(1) < 4 {
			fmt.Println("lost:", err)
		}
		return false
	}
	answered.Add(1)
	if ending.Load() {
		after.Add(1)
	}
	return !response.Close
}
