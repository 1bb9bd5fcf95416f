// Package ports says who listens where.
package ports

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Check fails if one of the addresses is taken, and says by whom.
func Check(addresses []string) error {
	for _, address := range addresses {
		at, err := net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s is taken by %s: stop that first", address, Holder(address))
		}
		if err != nil {
			return fmt.Errorf("listen on %s: %w", address, err)
		}
		_ = at.Close() // was never used
	}
	return nil
}

// Holder names the processes that listen on an address, or on its port
// everywhere.
func Holder(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "something unknown"
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return "something unknown"
	}
	var inodes []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err == nil { // a kernel without IPv6 has no tcp6
			inodes = append(inodes, listeners(string(data), net.ParseIP(host), number)...)
		}
	}
	if found := owners(inodes); len(found) > 0 {
		return strings.Join(found, ", ")
	}
	return "a process that cannot be seen from here"
}

// listeners finds the sockets in a kernel's table that listen on a port at an
// address or at all addresses.
func listeners(table string, ip net.IP, port int) []string {
	var inodes []string
	for _, line := range strings.Split(table, "\n") {
		fields := strings.Fields(line)
		const listen = "0A"
		if len(fields) < 10 || fields[3] != listen {
			continue
		}
		at, number := parseAddress(fields[1])
		if number == port && (at.Equal(ip) || at.IsUnspecified()) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}

// parseAddress reads what the kernel writes: the words of the address in the
// machine's order, and the port in the network's.
func parseAddress(text string) (net.IP, int) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	number, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(raw) != net.IPv4len && len(raw) != net.IPv6len {
		return nil, -1
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word) // little-endian, as every machine the lab runs on
	}
	return raw, int(number)
}

// owners names the processes that have one of the sockets open.
func owners(inodes []string) []string {
	var out []string
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is well-formed
	for _, link := range links {
		target, err := os.Readlink(link)
		inode, ok := strings.CutPrefix(target, "socket:[")
		if err != nil || !ok || !slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, _ := os.ReadFile("/proc/" + pid + "/comm") // may just have ended
		who := fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
		if !slices.Contains(out, who) {
			out = append(out, who)
		}
	}
	return out
}
