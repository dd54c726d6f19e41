// Clients that read late, or never.
//
//	go run stall.go echo ADDRESS MEGABYTES   sends so much to the TCP echo, begins to read two seconds
//	                                         late, compares hashes
//	go run stall.go never ADDRESS            sends to the TCP echo and never reads
//	go run stall.go deaf ADDRESS             asks the web server for much and does not read it
//
// The last two are well when the server ends the connection.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"os"
	"strconv"
	"time"
)

func main() {
	log.SetFlags(0)
	time.AfterFunc(5*time.Minute, func() { log.Fatal("no end after five minutes") })
	dialed, err := net.Dial("tcp", os.Args[2])
	check("dial", err)
	conn := dialed.(*net.TCPConn)
	defer conn.Close()
	switch os.Args[1] {
	case "echo":
		megabytes, err := strconv.Atoi(os.Args[3])
		check("megabytes", err)
		echo(conn, megabytes)
	case "never":
		never(conn)
	case "deaf":
		deaf(conn)
	default:
		log.Fatal("no such mode: ", os.Args[1])
	}
}

func check(what string, err error) {
	if err != nil {
		log.Fatal(what, ": ", err)
	}
}

func echo(conn *net.TCPConn, megabytes int) {
	block := make([]byte, 1<<20)
	rand.New(rand.NewSource(1)).Read(block)
	sent := sha256.New()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; i < megabytes; i++ {
			// No two blocks are the same, so that a lost or doubled one shows.
			block[0], block[1] = byte(i), byte(i>>8)
			sent.Write(block)
			_, err := conn.Write(block)
			check("write", err)
		}
		check("end", conn.CloseWrite())
	}()
	time.Sleep(2 * time.Second)
	got := sha256.New()
	count, err := io.Copy(got, conn)
	check("read", err)
	<-done
	if count != int64(megabytes)<<20 || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
		log.Fatalf("%d bytes came back, and not the same", count)
	}
	fmt.Println(count, "bytes, hashes equal")
}

func never(conn *net.TCPConn) {
	conn.SetWriteDeadline(time.Now().Add(30 * time.Second))
	start := time.Now()
	block := make([]byte, 1<<16)
	count := 0
	for {
		n, err := conn.Write(block)
		count += n
		if err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			log.Fatal("still open after 30 s")
		}
		fmt.Println("closed after", time.Since(start).Round(time.Millisecond), "and", count, "bytes")
		return
	}
}

// Nothing tells a client that does not read that the connection is over, so it looks at last: what
// the kernels held is all that there may be.
func deaf(conn *net.TCPConn) {
	check("small window", conn.SetReadBuffer(64<<10))
	_, err := io.WriteString(conn, "GET /bytes/10000000000 HTTP/1.1\r\nHost: x\r\n\r\n")
	check("write", err)
	time.Sleep(5 * time.Second)
	const most = 64 << 20
	count, err := io.Copy(io.Discard, io.LimitReader(conn, most))
	if count == most {
		log.Fatal("still sent to after 5 s without reading")
	}
	if err == nil {
		log.Fatal("cut short, but it ends as if it were whole, after ", count, " bytes")
	}
	fmt.Println("ended after", count, "bytes:", err)
}
