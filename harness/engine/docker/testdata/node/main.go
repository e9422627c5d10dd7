// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Command node is the process that the Docker engine's tests run: it counts its
// starts in a file of its directory and answers HTTP until it is ended.
//
//	node <listen address> | node exit
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

const exitCode = 3

func main() {
	fmt.Println("to standard output")
	fmt.Fprintln(os.Stderr, "to standard error", os.Getenv("GREETING"))
	if os.Args[1] == "exit" {
		os.Exit(exitCode)
	}
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address string) error {
	starts, err := os.OpenFile("starts", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(starts, "x"); err != nil {
		return err
	}
	if err := starts.Close(); err != nil {
		return err
	}
	http.Handle("/data/", http.StripPrefix("/data/", http.FileServer(http.Dir("."))))
	http.HandleFunc("/fetch", fetch)
	http.HandleFunc("/write", write)
	return http.ListenAndServe(address, nil)
}

// fetch gets the URL that is asked for, as a peer of the run's network sees it.
func fetch(w http.ResponseWriter, r *http.Request) {
	answer, err := http.Get(r.FormValue("url"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	// The test judges what has arrived.
	_, _ = io.Copy(w, answer.Body)
}

// write writes a file of so many bytes and answers with the error, if any.
func write(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(r.FormValue("bytes"))
	if err == nil {
		err = os.WriteFile(r.FormValue("file"), make([]byte, size), 0o600)
	}
	if err != nil {
		fmt.Fprint(w, err)
	}
}
