// The peer "go": echo or lines on Go's net package, a goroutine for each connection.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"log"
	"net"
	"os"
)

// A longer line than bufio.MaxScanTokenSize (64 KiB) ends its connection.
const bufferBytes = 4096

func main() {
	serve := echo
	if len(os.Args) > 1 && os.Args[1] == "line" {
		serve = upperCase
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on tcp:%v\n", listener.Addr())
	for {
		conn, err := listener.Accept() // with TCP_NODELAY, which is Go's default
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}

// A read and a write, not io.Copy: that would splice through a pipe, which costs more for short messages.
func echo(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, bufferBytes)
	for {
		count, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:count]); err != nil {
			return
		}
	}
}

func upperCase(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		answer := append(bytes.ToUpper(lines.Bytes()), '\n')
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
