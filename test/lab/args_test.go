package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]call{
		"up":                  {command: "up"},
		"down":                {command: "down"},
		"down --keep":         {command: "down", keep: true},
		"status":              {command: "status"},
		"status -o json":      {command: "status", json: true},
		"stop registry":       {command: "stop", name: "registry"},
		"start kube-proxy":    {command: "start", name: "kube-proxy"},
		"serve-provisioner":   {command: "serve-provisioner"},
		"smoke":               {command: "smoke"},
		"status --o=json":     {command: "status", json: true},
		"down -keep=false":    {command: "down"},
		"assets":              {command: "assets"},
		"build":               {command: "build"},
		"env":                 {command: "env"},
		"serve-registry":      {command: "serve-registry"},
		"serve-issuer":        {command: "serve-issuer"},
		"stop kube-scheduler": {command: "stop", name: "kube-scheduler"},
	} {
		got, err := parse(strings.Fields(line))
		if err != nil || got != want {
			t.Errorf("parse %q: got %+v, %v; want %+v", line, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, line := range []string{
		"", "unknown", "up now", "up --keep", "down --kep", "down all", "status -o yaml", "status json", "stop", "stop a b", "start", "env -o json", "assets x",
	} {
		if got, err := parse(strings.Fields(line)); !errors.Is(err, errUsage) {
			t.Errorf("parse %q: got %+v, %v; want errUsage", line, got, err)
		}
	}
	for _, line := range []string{"help", "-h", "--help", "up -h"} {
		if _, err := parse(strings.Fields(line)); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("parse %q: got %v, want help", line, err)
		}
	}
}

func TestPrintStates(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	states := []state{{Name: "etcd", PID: 7, Since: &since, Ready: true, Log: "a.log"}, {Name: "forge", Log: "b.log"}}
	var table, asJSON bytes.Buffer
	if err := errors.Join(printStates(states, false, &table), printStates(states, true, &asJSON)); err != nil {
		t.Fatal(err)
	}
	want := "NAME   PID  SINCE     READY  LOG\netcd   7    03:04:05  yes    a.log\nforge  -    -         no     b.log\n"
	if table.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", table.String(), want)
	}
	var back []state
	if err := json.Unmarshal(asJSON.Bytes(), &back); err != nil || len(back) != 2 || back[0].PID != 7 || back[1].Ready || back[1].Since != nil {
		t.Errorf("JSON: %+v, %v", back, err)
	}
}

func TestNoPortTwice(t *testing.T) {
	l := &lab{Place: &place.Place{Source: t.TempDir(), State: t.TempDir()}}
	taken := map[string]string{}
	for _, c := range l.components() {
		for _, address := range c.Ports {
			_, port, err := net.SplitHostPort(address)
			if other := taken[port]; err != nil || other != "" && other != c.Name {
				t.Errorf("%s listens on %q (%v), and so does %q", c.Name, address, err, other)
			}
			taken[port] = c.Name
		}
	}
}
