// A load that asks the server to end, and counts what was lost. A request that was sent on an open
// connection must be answered in full, or the connection must have been ended before it was sent.
//
//	go run drainer.go keep|fresh ADDRESS SERVER-PID
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var answered, lost, refused, late atomic.Int64

func main() {
	log.SetFlags(0)
	mode, address := os.Args[1], os.Args[2]
	server, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	var wait sync.WaitGroup
	for i := 0; i < 50; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for dial(address, mode == "keep") {
			}
		}()
	}
	time.Sleep(time.Second)
	syscall.Kill(server, syscall.SIGTERM)
	wait.Wait()
	fmt.Printf("%d answered, %d lost, %d ended between requests, %d refused\n",
		answered.Load(), lost.Load(), late.Load(), refused.Load())
	if lost.Load() > 0 || answered.Load() == 0 {
		os.Exit(1)
	}
}

// dial makes one connection and uses it; false when nobody listens any more.
func dial(address string, keep bool) bool {
	// A connection attempt that nobody hears is no request; a second is long enough for loopback.
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		refused.Add(1)
		return false
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	closing := ""
	if !keep {
		closing = "Connection: close\r\n"
	}
	for {
		if _, err := fmt.Fprintf(conn, "GET /json HTTP/1.1\r\nHost: x\r\n%s\r\n", closing); err != nil {
			late.Add(1)
			return true
		}
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		response, err := http.ReadResponse(reader, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
		}
		if err != nil {
			lost.Add(1)
			fmt.Println("lost:", err)
			return true
		}
		answered.Add(1)
		if response.Close {
			return true
		}
	}
}
