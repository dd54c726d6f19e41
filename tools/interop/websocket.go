// The client of Go's coder/websocket against an echo: peer URL.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/coder/websocket"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(log.Lshortfile)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, mode := range []websocket.CompressionMode{
		websocket.CompressionDisabled, websocket.CompressionContextTakeover, websocket.CompressionNoContextTakeover,
	} {
		peer := dial(ctx, mode)
		for _, text := range []string{"", "x", "Grüße, 世界 😀", strings.Repeat("long ", 100_000)} {
			echo(ctx, peer, websocket.MessageText, []byte(text))
		}
		for _, length := range []int{0, 1, 125, 126, 65_535, 65_536, 1_000_003, 16 << 20} {
			data := make([]byte, length)
			rand.Read(data)
			echo(ctx, peer, websocket.MessageBinary, data)
		}
		writer, err := peer.Writer(ctx, websocket.MessageText)
		check(err)
		for _, part := range []string{"frag", "ment", "s"} {
			_, err := writer.Write([]byte(part))
			check(err)
		}
		check(writer.Close())
		_, got, err := peer.Read(ctx)
		check(err)
		if string(got) != "fragments" {
			log.Fatalf("%q", got)
		}
		reading := peer.CloseRead(ctx)
		check(peer.Ping(ctx))
		if reading.Err() != nil {
			log.Fatal(reading.Err())
		}
		check(peer.Close(4321, "enough"))
	}
	peer := dial(ctx, websocket.CompressionDisabled)
	writer, err := peer.Writer(ctx, websocket.MessageBinary)
	check(err)
	for range 16 {
		_, err := writer.Write(make([]byte, 1<<20))
		check(err)
	}
	_, err = writer.Write([]byte("one more"))
	check(err)
	_, _, err = peer.Read(ctx)
	if code := websocket.CloseStatus(err); code != websocket.StatusMessageTooBig {
		log.Fatalf("closed with %v: %v", code, err)
	}
	fmt.Println("ok")
}

func dial(ctx context.Context, mode websocket.CompressionMode) *websocket.Conn {
	peer, _, err := websocket.Dial(ctx, os.Args[1], &websocket.DialOptions{CompressionMode: mode})
	check(err)
	peer.SetReadLimit(-1)
	return peer
}

func echo(ctx context.Context, peer *websocket.Conn, kind websocket.MessageType, data []byte) {
	check(peer.Write(ctx, kind, data))
	gotKind, got, err := peer.Read(ctx)
	check(err)
	if gotKind != kind || !bytes.Equal(got, data) {
		log.Fatalf("%d bytes came back as %d", len(data), len(got))
	}
}
