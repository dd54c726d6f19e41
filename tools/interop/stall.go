// A client of the TCP echo that reads late, or never.
//
//	go run stall.go ADDRESS MEGABYTES   sends so much, begins to read two seconds late, compares hashes
//	go run stall.go ADDRESS never       sends and never reads; well if the server ends that in time
package main

import (
	"bytes"
	"crypto/sha256"
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
	conn, err := net.Dial("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if os.Args[2] == "never" {
		never(conn)
		return
	}
	megabytes, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	block := make([]byte, 1<<20)
	rand.New(rand.NewSource(1)).Read(block)
	sent := sha256.New()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; i < megabytes; i++ {
			block[0] = byte(i)
			sent.Write(block)
			if _, err := conn.Write(block); err != nil {
				log.Fatal("write: ", err)
			}
		}
		conn.(*net.TCPConn).CloseWrite()
	}()
	time.Sleep(2 * time.Second)
	got := sha256.New()
	count, err := io.Copy(got, conn)
	if err != nil {
		log.Fatal("read: ", err)
	}
	<-done
	if count != int64(megabytes)<<20 || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
		log.Fatalf("%d bytes came back, and not the same", count)
	}
	fmt.Println(count, "bytes, hashes equal")
}

func never(conn net.Conn) {
	conn.SetWriteDeadline(time.Now().Add(30 * time.Second))
	start := time.Now()
	block := make([]byte, 1<<16)
	for {
		if _, err := conn.Write(block); err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				log.Fatal("still open after 30 s")
			}
			fmt.Println("closed after", time.Since(start).Round(time.Millisecond))
			return
		}
	}
}
