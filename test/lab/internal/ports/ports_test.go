package ports

import (
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0947 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000000000000000 100 0 0 10 0
   1: 0100580A:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0000000000000000 100 0 0 10 0
   2: 00000000:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0000000000000000 100 0 0 10 0
   3: 0100007F:1388 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 444 1 0000000000000000 100 0 0 10 0
`

const table6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 555 1
   1: 0000000000000000FFFF00000100580A:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 666 1
`

func TestListeners(t *testing.T) {
	for _, c := range []struct {
		table, ip string
		port      int
		want      []string
	}{
		{table, "127.0.0.1", 2375, []string{"111"}},
		{table, "10.88.0.1", 2375, nil},
		{table, "10.88.0.1", 53, []string{"222"}},
		{table, "10.88.0.1", 5000, []string{"333"}},
		{table6, "10.88.0.1", 3000, []string{"555", "666"}},
		{table6, "127.0.0.1", 3000, []string{"555"}},
		{"", "127.0.0.1", 1, nil},
	} {
		if got := listeners(c.table, net.ParseIP(c.ip), c.port); !slices.Equal(got, c.want) {
			t.Errorf("%s:%d: got %v, want %v", c.ip, c.port, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	if err := Check([]string{address}); err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("taken: %v", err)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Check([]string{address}); err != nil {
		t.Errorf("free: %v", err)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"0100007F:0947", ":", "", "zz:1", "0100:0035", "0000000000000000FFFF00000100580A:0BB8", "0100007F:FFFFF"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if ip, port := parseAddress(text); ip != nil && (ip.To16() == nil || port < 0 || port > 65535) {
			t.Errorf("%q is %v, %d", text, ip, port)
		}
	})
}
