// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command node is the process that faults are tried on: it answers HTTP until it
// is ended, reads and writes files of its directory, and asks peers.
//
//	node <listen address>
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		os.Exit(0)
	}()
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "healthy") })
	http.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		answer(w, "written", os.WriteFile(r.FormValue("file"), []byte("by the node"), 0o644))
	})
	http.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile(r.FormValue("file"))
		answer(w, string(content), err)
	})
	http.HandleFunc("/dial", func(w http.ResponseWriter, r *http.Request) {
		conn, err := net.Dial("tcp", r.FormValue("peer"))
		if err == nil {
			err = conn.Close()
		}
		answer(w, "dialled", err)
	})
	fmt.Println(http.ListenAndServe(os.Args[1], nil))
	os.Exit(1)
}

// answer writes what came of a request.
func answer(w http.ResponseWriter, text string, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, text)
}
