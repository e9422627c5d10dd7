// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package netfault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// tableName is our table's, in the namespace of a node.
const tableName = "blackout"

// hookPriority is before everything else that may look at a packet: before the
// translation of addresses, behind which Docker's name server has another port.
const hookPriority = -400

// rules are a table that never changes once it is made; what is dropped is what
// its sets hold:
//
//	set ports     { type inet_service; }
//	set resolvers { type ipv4_addr; }
//	set attempts  { type ipv4_addr . inet_service; flags dynamic; }
//	chain input  { type filter hook input priority -400;
//	               meta nfproto ipv4 tcp flags & (fin|syn|rst|ack) == syn update @attempts { ip saddr . tcp dport counter }
//	               meta l4proto tcp tcp dport @ports drop
//	               meta nfproto ipv4 ip daddr @resolvers drop }
//	chain output { type filter hook output priority -400;
//	               meta l4proto tcp tcp sport @ports drop }
//
// Questions to a name server are dropped where they arrive, on the loopback
// interface, and not where they are sent: there, the sender would be told.
type rules struct {
	kernel    *nftables.Conn
	table     *nftables.Table
	ports     *nftables.Set
	resolvers *nftables.Set
	attempts  *nftables.Set
}

// openRules makes the table, in place of one that was left by a predecessor.
func openRules() (*rules, error) {
	kernel, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	r := &rules{kernel: kernel, table: &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}}
	kernel.AddTable(r.table) // what is not there cannot be deleted
	kernel.DelTable(r.table)
	kernel.AddTable(r.table)
	r.ports = &nftables.Set{Table: r.table, Name: "ports", KeyType: nftables.TypeInetService}
	r.resolvers = &nftables.Set{Table: r.table, Name: "resolvers", KeyType: nftables.TypeIPAddr}
	r.attempts = &nftables.Set{
		Table: r.table, Name: "attempts", Dynamic: true, Concatenation: true, Size: 65535,
		KeyType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService),
	}
	for _, set := range []*nftables.Set{r.ports, r.resolvers, r.attempts} {
		if err := kernel.AddSet(set, nil); err != nil {
			return nil, fmt.Errorf("make set %s: %w", set.Name, err)
		}
	}
	r.addRules()
	if err := kernel.Flush(); err != nil {
		return nil, fmt.Errorf("%w: make rules: %w: it takes CAP_NET_ADMIN and a kernel with nf_tables", ErrUnsupported, err)
	}
	return r, nil
}

func (r *rules) addRules() {
	input := r.addChain("input", nftables.ChainHookInput)
	r.addRule(input, countSYNs(r.attempts))
	r.addRule(input, dropTCP(r.ports, tcpDestination))
	r.addRule(input, dropTo(r.resolvers))
	output := r.addChain("output", nftables.ChainHookOutput)
	r.addRule(output, dropTCP(r.ports, tcpSource))
}

func (r *rules) addChain(name string, hook *nftables.ChainHook) *nftables.Chain {
	return r.kernel.AddChain(&nftables.Chain{
		Table: r.table, Name: name, Type: nftables.ChainTypeFilter,
		Hooknum: hook, Priority: nftables.ChainPriorityRef(hookPriority),
	})
}

func (r *rules) addRule(chain *nftables.Chain, exprs []expr.Any) {
	r.kernel.AddRule(&nftables.Rule{Table: r.table, Chain: chain, Exprs: exprs})
}

// The places of what the rules look at: offset and length in its header, bytes.
var (
	ipSource       = expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
	ipDestination  = expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
	tcpSource      = expr.Payload{Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2}
	tcpDestination = expr.Payload{Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
	tcpFlags       = expr.Payload{Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1}
)

// The registers of four bytes that the rules use; a key of two parts takes both.
const (
	register1 = unix.NFT_REG32_00
	register2 = unix.NFT_REG32_01
)

// load reads a part of the packet into a register.
func load(part expr.Payload, register uint32) expr.Any {
	part.DestRegister = register
	return &part
}

// is matches packets of which key, a byte, has a value.
func is(key expr.MetaKey, value byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: register1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register1, Data: []byte{value}},
	}
}

// The flags of a TCP header that tell an attempt from all else.
const (
	flagFIN, flagSYN, flagRST, flagACK = 0x01, 0x02, 0x04, 0x10
	flagsOfInterest                    = flagFIN | flagSYN | flagRST | flagACK
)

func countSYNs(attempts *nftables.Set) []expr.Any {
	exprs := append(is(expr.MetaKeyNFPROTO, unix.NFPROTO_IPV4), is(expr.MetaKeyL4PROTO, unix.IPPROTO_TCP)...)
	return append(exprs,
		load(tcpFlags, register1),
		&expr.Bitwise{SourceRegister: register1, DestRegister: register1, Len: 1, Mask: []byte{flagsOfInterest}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register1, Data: []byte{flagSYN}},
		load(ipSource, register1),
		load(tcpDestination, register2),
		&expr.Dynset{
			SrcRegKey: register1, SetName: attempts.Name, SetID: attempts.ID,
			Operation: unix.NFT_DYNSET_OP_UPDATE, Exprs: []expr.Any{&expr.Counter{}},
		},
	)
}

func dropTCP(ports *nftables.Set, port expr.Payload) []expr.Any {
	return append(is(expr.MetaKeyL4PROTO, unix.IPPROTO_TCP),
		load(port, register1),
		&expr.Lookup{SourceRegister: register1, SetName: ports.Name, SetID: ports.ID},
		&expr.Verdict{Kind: expr.VerdictDrop},
	)
}

func dropTo(addresses *nftables.Set) []expr.Any {
	return append(is(expr.MetaKeyNFPROTO, unix.NFPROTO_IPV4),
		load(ipDestination, register1),
		&expr.Lookup{SourceRegister: register1, SetName: addresses.Name, SetID: addresses.ID},
		&expr.Verdict{Kind: expr.VerdictDrop},
	)
}

func (r *rules) Drop(port uint16) error {
	return r.add(r.ports, binaryutil.BigEndian.PutUint16(port))
}

func (r *rules) Accept(port uint16) error {
	return r.remove(r.ports, binaryutil.BigEndian.PutUint16(port))
}

func (r *rules) DropDNS() error { return r.add(r.resolvers, dnsServer.AsSlice()) }

func (r *rules) AcceptDNS() error { return r.remove(r.resolvers, dnsServer.AsSlice()) }

// add puts a key into a set; one that is there already is no error.
func (r *rules) add(set *nftables.Set, key []byte) error {
	if err := r.kernel.SetAddElements(set, []nftables.SetElement{{Key: key}}); err != nil {
		return fmt.Errorf("add to set %s: %w", set.Name, err)
	}
	if err := r.kernel.Flush(); err != nil {
		return fmt.Errorf("add to set %s: %w", set.Name, err)
	}
	return nil
}

// remove takes a key from a set; one that is not there is no error.
func (r *rules) remove(set *nftables.Set, key []byte) error {
	if err := r.kernel.SetDeleteElements(set, []nftables.SetElement{{Key: key}}); err != nil {
		return fmt.Errorf("remove from set %s: %w", set.Name, err)
	}
	if err := r.kernel.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove from set %s: %w", set.Name, err)
	}
	return nil
}

// Attempts reads the counters. A key is an address and a port, each in four bytes.
func (r *rules) Attempts() ([]Attempt, error) {
	elements, err := r.kernel.GetSetElements(r.attempts)
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	var attempts []Attempt
	for _, e := range elements {
		if len(e.Key) < 6 || e.Counter == nil {
			return nil, fmt.Errorf("read attempts: the kernel has a counter of another shape: key %x", e.Key)
		}
		attempts = append(attempts, Attempt{
			From: netip.AddrFrom4([4]byte(e.Key)), Port: binary.BigEndian.Uint16(e.Key[4:]), Count: e.Counter.Packets,
		})
	}
	return attempts, nil
}

// Close removes the table, and with it all that it drops.
func (r *rules) Close() error {
	r.kernel.DelTable(r.table)
	if err := r.kernel.Flush(); err != nil {
		return fmt.Errorf("remove rules: %w", err)
	}
	return nil
}
