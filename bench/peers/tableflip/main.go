// An HTTP service that replaces itself with tableflip: main PIDFILE HOST:PORT [dies]
// Sends "hello\n". SIGHUP upgrades it, SIGTERM ends it. With "dies", an old process does not wait for its connections.
package main

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cloudflare/tableflip"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	upgrader, err := tableflip.New(tableflip.Options{PIDFile: os.Args[1]})
	check(err)
	defer upgrader.Stop()
	// Before it is ready: SIGHUP would end it.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for range signals {
			if err := upgrader.Upgrade(); err != nil {
				println(err.Error())
			}
		}
	}()
	listener, err := upgrader.Listen("tcp", os.Args[2])
	check(err)
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("hello\n"))
	})}
	go server.Serve(listener)
	check(upgrader.Ready())
	<-upgrader.Exit()
	if len(os.Args) > 3 {
		os.Exit(0)
	}
	limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	server.Shutdown(limit)
}
