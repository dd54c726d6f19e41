// Clients as Go tutorials write them, on the standard library alone. Each talks to one row of
// `readyloop serve` and says what it saw; the exit code is the verdict.
//
//	go run peers.go ROW ADDRESS
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: peers ROW ADDRESS [CERTIFICATE]")
	}
	row, address := os.Args[1], os.Args[2]
	rows := map[string]func(string){
		"tcp-greeting":  greeting,
		"tcp-echo":      tcpEcho,
		"tcp-sink":      sink,
		"udp-echo":      udpEcho,
		"udp-responder": responder,
		"http":          func(a string) { web("http://"+a, http.DefaultClient) },
		"https":         secure,
	}
	test, known := rows[row]
	if !known {
		log.Fatalf("no such row: %s", row)
	}
	time.AfterFunc(60*time.Second, func() { log.Fatalf("%s: no end after a minute", row) })
	test(address)
	fmt.Println(row, "ok")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// T2: dial, read until the end, print.
func greeting(address string) {
	conn, err := net.Dial("tcp", address)
	check(err)
	defer conn.Close()
	all, err := io.ReadAll(conn)
	check(err)
	if string(all) != "Hello World!\r\n" {
		log.Fatalf("greeting: %q", all)
	}
}

// T3: many goroutines, each its own connection; what comes back is what went out.
func tcpEcho(address string) {
	var wait sync.WaitGroup
	for i := 0; i < 50; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			conn, err := net.Dial("tcp", address)
			check(err)
			defer conn.Close()
			sent := bytes.Repeat([]byte{byte(i)}, 200_000)
			go func() {
				_, err := conn.Write(sent)
				check(err)
				check(conn.(*net.TCPConn).CloseWrite())
			}()
			got, err := io.ReadAll(conn)
			check(err)
			if !bytes.Equal(got, sent) {
				log.Fatalf("echo %d: %d bytes differ", i, len(got))
			}
		}(i)
	}
	wait.Wait()
}

// T1: a thousand clients, one message each; the server logs them.
func sink(address string) {
	var wait sync.WaitGroup
	for i := 0; i < 1000; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			conn, err := net.Dial("tcp", address)
			check(err)
			defer conn.Close()
			_, err = fmt.Fprintf(conn, "message %04d", i)
			check(err)
		}(i)
	}
	wait.Wait()
}

func exchange(address string, message []byte) []byte {
	conn, err := net.Dial("udp", address)
	check(err)
	defer conn.Close()
	check(conn.SetDeadline(time.Now().Add(10 * time.Second)))
	_, err = conn.Write(message)
	check(err)
	buffer := make([]byte, 1<<16)
	n, err := conn.Read(buffer)
	check(err)
	return buffer[:n]
}

// U2.
func udpEcho(address string) {
	for _, size := range []int{1, 100, 1400, 9000, 65507} {
		sent := bytes.Repeat([]byte("u"), size)
		if got := exchange(address, sent); !bytes.Equal(got, sent) {
			log.Fatalf("udp echo: %d of %d bytes", len(got), size)
		}
	}
}

// U1.
func responder(address string) {
	for i := 0; i < 20; i++ {
		if got := exchange(address, []byte("who is there?")); string(got) != "I am server" {
			log.Fatalf("responder: %q", got)
		}
	}
}

func body(response *http.Response, err error) string {
	check(err)
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	check(err)
	return string(all)
}

// H1: Go's own client, keep-alive, chunked bodies, expectations.
func web(base string, client *http.Client) {
	for i := 0; i < 100; i++ {
		if got := body(client.Get(base + "/plaintext")); got != "Hello, World!" {
			log.Fatalf("plaintext: %q", got)
		}
	}
	long := strings.Repeat("body ", 100_000)
	// A reader of unknown length is sent in chunks.
	got := body(client.Post(base+"/echo", "text/plain", io.MultiReader(strings.NewReader(long))))
	if got != long {
		log.Fatalf("echo of chunks: %d of %d bytes", len(got), len(long))
	}
	if got := body(client.Post(base+"/echo", "text/plain", strings.NewReader(long))); got != long {
		log.Fatalf("echo: %d of %d bytes", len(got), len(long))
	}
	if got := body(client.Get(base + "/bytes/3000000")); len(got) != 3_000_000 {
		log.Fatalf("bytes: %d", len(got))
	}
	var wait sync.WaitGroup
	for i := 0; i < 20; i++ {
		wait.Add(2)
		go func() { defer wait.Done(); body(client.Get(base + "/delay/50")) }()
		go func() { defer wait.Done(); body(client.Get(base + "/work/5")) }()
	}
	wait.Wait()
	response, err := client.Head(base + "/plaintext")
	check(err)
	if response.ContentLength != 13 {
		log.Fatalf("HEAD: length %d", response.ContentLength)
	}
	if response, err = client.Get(base + "/nowhere"); err != nil || response.StatusCode != 404 {
		log.Fatalf("404: %v %v", response, err)
	}
}

// H2: tls.Dial as the tutorial configures it, with the suites and curves that are still secure.
func secure(address string) {
	pem, err := os.ReadFile(os.Args[3])
	check(err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		log.Fatal("no certificate in ", os.Args[3])
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{
			RootCAs:            roots,
			ServerName:         "localhost",
			MinVersion:         version,
			MaxVersion:         version,
			CurvePreferences:   []tls.CurveID{tls.CurveP256, tls.X25519},
			CipherSuites:       []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
			ClientSessionCache: tls.NewLRUClientSessionCache(4),
			NextProtos:         []string{"http/1.1"},
		}
		resumed := false
		for i := 0; i < 3; i++ {
			conn, err := tls.Dial("tcp", address, config)
			check(err)
			_, err = io.WriteString(conn, "GET /plaintext HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			check(err)
			got, err := io.ReadAll(conn)
			check(err)
			if !strings.HasSuffix(string(got), "Hello, World!") {
				log.Fatalf("https: %q", got)
			}
			state := conn.ConnectionState()
			if state.Version != version || state.NegotiatedProtocol != "http/1.1" {
				log.Fatalf("https: version %x, protocol %q", state.Version, state.NegotiatedProtocol)
			}
			resumed = resumed || state.DidResume
			conn.Close()
		}
		if !resumed {
			log.Fatalf("https: version %x was not resumed", version)
		}
	}
	web("https://localhost:"+address[strings.LastIndex(address, ":")+1:], &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	})
}
