// Command probe is an action that behaves as its inputs say, well or badly.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	var in struct {
		Mode string `json:"mode"`
	}
	if err := json.Unmarshal([]byte(os.Getenv("ACTION_INPUTS")), &in); err != nil {
		fmt.Fprintln(os.Stderr, "read inputs:", err)
		os.Exit(65)
	}
	out := `{"said":"` + in.Mode + `"}`
	switch in.Mode {
	case "fail":
		fmt.Fprintln(os.Stderr, "the probe fails because it was told to")
		os.Exit(65)
	case "second", "third":
		if n := count(); n < map[string]int{"second": 2, "third": 3}[in.Mode] {
			fmt.Fprintf(os.Stderr, "the probe was told to fail before its %s attempt, this is attempt %d\n", in.Mode, n)
			os.Exit(75)
		}
	case "hang":
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		<-ended
		os.Exit(143)
	case "eat":
		eat(96 << 20)
	case "large":
		out = `{"said":"` + strings.Repeat("x", 10<<10) + `"}`
	case "text":
		out = "this is no JSON"
	case "nothing":
		out = ""
	}
	fmt.Println(out)
	if err := os.WriteFile(os.Getenv("ACTION_OUTPUTS_PATH"), []byte(out), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "write outputs:", err)
		os.Exit(75)
	}
}

// count says how often the probe ran in this workspace, this time included.
func count() int {
	f, err := os.OpenFile("/workspace/attempts", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, "open the count of attempts:", err)
		os.Exit(65)
	}
	_, err = f.WriteString("x")
	info, statErr := f.Stat()
	if err := errors.Join(err, statErr, f.Close()); err != nil {
		fmt.Fprintln(os.Stderr, "count attempts:", err)
		os.Exit(65)
	}
	return int(info.Size())
}

// eat takes memory, touches all of it and keeps it until it is told to end, as
// an application does that grew since its limit was set.
func eat(bytes int) {
	memory := make([]byte, bytes)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	<-ended
	fmt.Fprintln(os.Stderr, "used", len(memory), "bytes")
	os.Exit(0)
}
