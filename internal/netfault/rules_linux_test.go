// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package netfault

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespaceVariable says to the test binary that it is in a namespace of its own.
const namespaceVariable = "NETFAULT_TEST_NAMESPACE"

// inNamespace runs the test once more in a network namespace of its own, or
// leaves it out, and reports whether this is that run.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(namespaceVariable) == t.Name() {
		if err := raiseLoopback(); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), namespaceVariable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("NOT MEASURED: a network namespace takes CAP_SYS_ADMIN: %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// raiseLoopback lets the namespace speak with itself.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return errors.Join(unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request), unix.Close(fd))
}

// namespace is a filter and a listener in the namespace of the test.
type namespace struct {
	*testing.T
	filter   Filter
	listener net.Listener
	port     uint16
}

func newNamespace(t *testing.T) namespace {
	t.Helper()
	filter, err := openRules()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return namespace{t, filter, listener, netip.MustParseAddrPort(listener.Addr().String()).Port()}
}

func (n namespace) must(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

// answerLimit is how long a packet on loopback may take in these tests.
const answerLimit = 300 * time.Millisecond

func (n namespace) dial() (net.Conn, error) {
	return net.DialTimeout("tcp", n.listener.Addr().String(), answerLimit)
}

// silence says that nothing came, not even a refusal.
func silence(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// attempts is what was counted for a port.
func (n namespace) attempts(port uint16) uint64 {
	n.Helper()
	all, err := n.filter.Attempts()
	n.must(err)
	for _, a := range all {
		if a.Port == port && a.From == netip.MustParseAddr("127.0.0.1") {
			return a.Count
		}
	}
	return 0
}

func TestDroppedPortIsSilent(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	n := newNamespace(t)
	client, err := n.dial()
	n.must(err)
	server, err := n.listener.Accept()
	n.must(err)
	arrives := func() error {
		_, err := server.Write([]byte("x"))
		n.must(err)
		n.must(client.SetReadDeadline(time.Now().Add(answerLimit)))
		_, err = client.Read(make([]byte, 1))
		return err
	}
	n.must(arrives())
	for range 2 { // dropping can be repeated
		n.must(n.filter.Drop(n.port))
	}
	if err := arrives(); !silence(err) {
		t.Errorf("a live connection says %v, want silence", err)
	}
	if _, err := n.dial(); !silence(err) {
		t.Errorf("an attempt is answered with %v, want silence", err)
	}
	for range 2 {
		n.must(n.filter.Accept(n.port))
	}
	n.must(client.SetReadDeadline(time.Now().Add(10 * time.Second))) // until it is sent again
	_, err = client.Read(make([]byte, 1))
	n.must(err)
	_, err = n.dial()
	n.must(err)
}

// TestAttemptsAreCounted whether they are accepted, refused or dropped, and
// nothing else is.
func TestAttemptsAreCounted(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	n := newNamespace(t)
	for i := range uint64(3) {
		if got := n.attempts(n.port); got != i {
			t.Errorf("%d attempts, want %d", got, i)
		}
		conn, err := n.dial()
		n.must(err)
		_, err = conn.Write(make([]byte, 1000))
		n.must(errors.Join(err, conn.Close()))
	}
	n.must(n.filter.Drop(n.port))
	if _, err := n.dial(); err == nil {
		t.Error("a dropped attempt succeeds")
	}
	n.must(n.filter.Accept(n.port))
	n.must(n.listener.Close())
	if _, err := n.dial(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial = %v", err)
	}
	if got := n.attempts(n.port); got != 5 {
		t.Errorf("%d attempts, want 3 accepted, 1 dropped, 1 refused", got)
	}
	if got := n.attempts(n.port + 1); got != 0 {
		t.Errorf("%d attempts at another port", got)
	}
}

// TestNameServerIsSilent: what is sent to it leaves without an error, and does
// not arrive.
func TestNameServerIsSilent(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	n := newNamespace(t)
	server, err := net.ListenPacket("udp", dnsServer.String()+":0")
	n.must(err)
	client, err := net.Dial("udp", server.LocalAddr().String())
	n.must(err)
	arrives := func() error {
		_, err := client.Write([]byte("x"))
		n.must(err)
		n.must(server.SetReadDeadline(time.Now().Add(answerLimit)))
		_, _, err = server.ReadFrom(make([]byte, 1))
		return err
	}
	n.must(arrives())
	for range 2 {
		n.must(n.filter.DropDNS())
	}
	if err := arrives(); !silence(err) {
		t.Errorf("error %v, want silence", err)
	}
	for range 2 {
		n.must(n.filter.AcceptDNS())
	}
	n.must(arrives())
}

// TestRulesGoWithTheirTable, also those of a predecessor that was killed.
func TestRulesGoWithTheirTable(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	n := newNamespace(t)
	n.must(n.filter.Drop(n.port))
	successor, err := openRules()
	n.must(err)
	_, err = n.dial()
	n.must(err)
	n.must(successor.Drop(n.port))
	n.must(successor.Close())
	_, err = n.dial()
	n.must(err)
}

func TestListenersOfTheNamespace(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	n := newNamespace(t)
	dns, err := net.Listen("tcp", dnsServer.String()+":0") // Docker's, which is not the node's
	n.must(err)
	defer dns.Close()
	want := []netip.AddrPort{netip.MustParseAddrPort(n.listener.Addr().String())}
	// Of the thread's own namespace: the process's first thread is in another one.
	process := fmt.Sprintf("/proc/%d/task/%d", os.Getpid(), unix.Gettid())
	if got, err := ListenersOf(process); err != nil || !slices.Equal(got, want) {
		t.Errorf("listeners %v, %v, want %v", got, err, want)
	}
	asked, err := askOf(process)
	n.must(err)
	if read, err := readTables(process + "/net"); err != nil || !slices.Equal(addresses(read), want) || !slices.Equal(addresses(asked), want) {
		t.Errorf("the kernel says %v, its tables %v, %v, want %v", asked, read, err, want)
	}
}
