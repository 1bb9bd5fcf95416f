package contract_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/actions/contract"
)

func TestValidateInputsFillsDefaults(t *testing.T) {
	c := parse(t, full(t))
	got, found := c.ValidateInputs([]byte(`{"namespace":"shop","replicas":5.0,"ratio":1,"memory":2,"wait":"90s",
		"items":["a"],"patch":{"spec":{"n":1}},"file":"x.yaml"}`))
	if found != nil {
		t.Fatal(contract.Join(found))
	}
	want := contract.Values{"namespace": "shop", "replicas": int64(5), "ratio": 1.0, "memory": "2", "wait": "90s", "force": false,
		"mode": "safe", "items": []any{"a"}, "patch": map[string]any{"spec": map[string]any{"n": int64(1)}}, "file": "x.yaml"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestValidateInputsRefuses(t *testing.T) {
	cases := map[string][]string{
		``:                                 {"inputs: found something else, wanted one JSON object"},
		`null`:                             {"wanted one JSON object"},
		`[]`:                               {"wanted one JSON object"},
		`{} {}`:                            {"wanted one JSON object"},
		`{"a":1,"a":2}`:                    {"wanted every key once"},
		`{}`:                               {"inputs.namespace: found nothing, wanted a string"},
		`{"namespace":"shop","bad":1}`:     {"inputs.bad: found an undeclared input, wanted one of namespace"},
		`{"namespace":"A","bad name":1}`:   {`inputs."bad name"`, "inputs.namespace"},
		`{"namespace":null}`:               {"inputs.namespace: found null, wanted a string"},
		`{"namespace":"shop!"}`:            {`found "shop!", wanted text that matches`},
		`{"namespace":"!x-shop"}`:          {"wanted text that matches"},
		`{"namespace":"a","replicas":"3"}`: {`inputs.replicas: found "3", wanted an integer`},
		`{"namespace":"a","replicas":3.5}`: {"wanted an integer"},
		`{"namespace":"a","replicas":11}`:  {"wanted at most 10"},
		`{"namespace":"a","replicas":-1,"mode":"slow"}`: {"wanted at least 0", `wanted one of "fast", "safe"`},
		`{"namespace":"a","ratio":0.1}`:                 {"at least 0.5"},
		`{"namespace":"a","wait":"2h"}`:                 {`at most "1h"`},
		`{"namespace":"a","wait":"-2s"}`:                {"wanted a duration"},
		`{"namespace":"a","memory":"5Gi"}`:              {`at most "4Gi"`},
		`{"namespace":"a","memory":"lots"}`:             {"wanted a quantity"},
		`{"namespace":"a","force":"true"}`:              {"wanted a boolean"},
		`{"namespace":"a","patch":{}}`:                  {"inputs.patch: found no inputs.file, wanted both or neither"},
	}
	c := parse(t, full(t))
	for raw, want := range cases {
		got, found := c.ValidateInputs([]byte(raw))
		if got != nil {
			t.Errorf("%s: values %v were returned", raw, got)
		}
		text := contract.Join(found)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: found %q, want %q", raw, text, w)
			}
		}
	}
}

func TestSensitiveValuesAreHidden(t *testing.T) {
	c := parse(t, full(t))
	for _, raw := range []string{`{"namespace":"a","token":"HUNTER2"}`, `{"namespace":"a","token":["HUNTER2"]}`, `{"namespace":"a","token":"HUNTER2"`} {
		_, found := c.ValidateInputs([]byte(raw))
		if text := contract.Join(found); len(found) == 0 || strings.Contains(text, "HUNTER2") {
			t.Errorf("%s: %q", raw, text)
		}
	}
}

func TestValidateOutputs(t *testing.T) {
	c := parse(t, full(t))
	if found := c.ValidateOutputs(map[string]any{"changed": true, "previous": 3}); found != nil {
		t.Error(contract.Join(found))
	}
	found := contract.Join(c.ValidateOutputs(map[string]any{"changed": "yes", "more": 1}))
	for _, want := range []string{"outputs.changed", "outputs.previous: found nothing", "outputs.more: found an undeclared"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q lacks %q", found, want)
		}
	}
}

func TestValuesOfOtherTypesAreZero(t *testing.T) {
	v := contract.Values{"s": "90s", "n": int64(2), "l": []any{"a", "b"}, "m": []any{1}}
	if v.Int("s") != 0 || v.String("n") != "" || v.Bool("s") || v.Object("s") != nil || v.Duration("n") != 0 {
		t.Error("a value of another type was converted")
	}
	if v.Duration("s").Seconds() != 90 || v.Int("n") != 2 {
		t.Error("a value was lost")
	}
	if got, err := v.Strings("l"); err != nil || len(got) != 2 {
		t.Errorf("%v %v", got, err)
	}
	if _, err := v.Strings("m"); err == nil {
		t.Error("a number passed as a string")
	}
}

func FuzzValidateInputs(f *testing.F) {
	f.Add([]byte(`{"namespace":"a","replicas":3,"memory":"1Gi"}`))
	f.Add([]byte(`{"namespace":"a","wait":"1h","items":[1,[2]]}`))
	c := parse(f, full(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, found := c.ValidateInputs(data)
		if (got == nil) == (len(found) == 0) {
			t.Fatalf("values %v and findings %v", got, found)
		}
		if got != nil {
			if again, found := c.ValidateValues(got); found != nil || !cmp.Equal(got, again) {
				t.Fatalf("accepted values are refused: %v", found)
			}
		}
	})
}
