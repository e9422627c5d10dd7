// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// upgrade passes a request on that asks for a WebSocket, and joins the two
// connections if the service agrees.
func (x *exchange) upgrade(out *http.Request) {
	response, err := x.roundTrip(out)
	if err == nil && response.StatusCode != http.StatusSwitchingProtocols {
		removeHopHeaders(response.Header)
	}
	if err == nil {
		err = x.modifyResponse(response)
	}
	if err != nil {
		x.failed(out, err)
		return
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		x.copyResponse(response)
		return
	}
	if err := x.join(response); err != nil {
		x.log("proxy.upgrade", slog.LevelDebug, err)
		panic(http.ErrAbortHandler)
	}
}

// join hands the response and both connections over to each other until one of
// them ends.
func (x *exchange) join(response *http.Response) error {
	service, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		return fmt.Errorf("the connection to the service cannot be written to")
	}
	defer func() { _ = service.Close() }()
	client, buffered, err := http.NewResponseController(x.writer).Hijack()
	if err != nil {
		return fmt.Errorf("take over the client's connection: %w", err)
	}
	defer func() { _ = client.Close() }()
	response.Body = nil
	if err := response.Write(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	return splice(client, buffered.Reader, service)
}

// splice copies both ways. What the client sent ahead is in the reader. The end
// of one side ends the other.
func splice(client net.Conn, ahead *bufio.Reader, service io.ReadWriteCloser) error {
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(service, ahead)
		_ = service.Close()
	})
	_, err := io.Copy(client, service)
	_ = client.Close()
	both.Wait()
	return err
}
