// Command smoke runs in a pod and says whether the lab treats pods as a real
// cluster does.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	checks := map[string]func() error{
		"nothing": func() error { return nil }, "confined": confined, "reach": reach, "write": write, "eat": eat,
	}
	for _, name := range os.Args[1:] {
		check, ok := checks[name]
		if !ok {
			check = func() error { return errors.New("no such check") }
		}
		if err := check(); err != nil {
			message := fmt.Sprintf("%s: %v", name, err)
			fmt.Println(message)
			_ = os.WriteFile("/dev/termination-log", []byte(message), 0o644) // the log has it too
			os.Exit(1)
		}
	}
}

// confined says whether the process is held as its pod asks.
func confined() error {
	if os.Getuid() != 65532 {
		return fmt.Errorf("the user is %d", os.Getuid())
	}
	if err := os.WriteFile("/written", nil, 0o644); !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("the root is not read-only: %v", err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	fields := strings.Fields(string(status))
	for _, want := range [][2]string{{"CapEff:", "0000000000000000"}, {"CapBnd:", "0000000000000000"}, {"NoNewPrivs:", "1"}, {"Seccomp:", "2"}} {
		at := slices.Index(fields, want[0])
		if at < 0 || at+1 >= len(fields) || fields[at+1] != want[1] {
			return fmt.Errorf("the kernel does not say %s %s", want[0], want[1])
		}
	}
	return nil
}

// reach asks the API through its Service, and the names of both worlds.
func reach() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, "kubernetes.default.svc")
	if err != nil || !slices.Contains(found, "10.96.0.1") {
		return fmt.Errorf("kubernetes.default.svc is %v: %v", found, err)
	}
	begin := time.Now()
	_, err = net.DefaultResolver.LookupHost(ctx, "nowhere.example.com")
	if dns := (&net.DNSError{}); !errors.As(err, &dns) || !dns.IsNotFound || time.Since(begin) > 2*time.Second {
		return fmt.Errorf("nowhere.example.com after %s: %v", time.Since(begin), err)
	}
	const account = "/var/run/secrets/kubernetes.io/serviceaccount/"
	ca, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return err
	}
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	// Only callers with an account may list the API's groups.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://10.96.0.1/apis", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+string(token))
	resp, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the API answers %s", resp.Status)
	}
	return nil
}

// write writes a file that the lab finds in the volume's folder.
func write() error { return os.WriteFile("/volume/written", []byte("by a pod"), 0o600) }

// eat takes memory until somebody ends it.
func eat() error {
	const much = 512 << 20
	for taken := 0; taken < much; taken += 1 << 20 {
		page, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return err
		}
		for i := 0; i < len(page); i += 4096 {
			page[i] = 1 // a page counts once it is written
		}
	}
	return errors.New("nobody minded 512 MiB")
}
