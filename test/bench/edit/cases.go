package main

import "strings"

const (
	set    = "set"
	remove = "delete"
	add    = "append"
)

// hop is one step of a path: a key, an index, or the item of a name.
type hop struct {
	key   string
	index int
	name  string
}

// one edit: a file, what is asked of it, and the only difference that a person
// would make with an editor of text.
type one struct {
	name, file string
	op         string
	// kind selects a document where the file has several.
	kind         string
	path         []hop
	value        any
	old, changed string
}

// want is the file as a person would leave it.
func (o one) want() string { return strings.Replace(o.file, o.old, o.changed, 1) }

func keys(dotted string) []hop {
	var out []hop
	for _, key := range strings.Split(dotted, ".") {
		out = append(out, hop{key: key})
	}
	return out
}

func item(path []hop, name, rest string) []hop {
	return append(append(path, hop{name: name}), keys(rest)...)
}

func at(path []hop, index int) []hop { return append(path, hop{index: index}) }

const deployment = `---
# The API of the shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
  labels: {app: api, tier: "web"}   # selected below
  annotations:
    note: "runs on: Mondays"
    app.kubernetes.io/part-of: shop
spec:
  replicas: 2   # two are enough

  template:
    spec:
      containers:
        # The proxy in front.
        - name: proxy
          image: 'proxy:1'
          resources:
            limits:
              memory: 64Mi
        - name: api
          image: "api:1"        # pinned
          args: ["--fast", '--quiet']
          command:
            - /bin/api   # ours
            - serve
          resources:
            limits:
              memory: 512Mi     # raised in March
              cpu: 500m

            requests:
              memory: 256Mi
      restartPolicy: Always
`

const values = `# Values of the shop.

image:
    repository: example.com/shop
    tag: v1.0.0     # keep in step with the chart
    pullPolicy:   IfNotPresent


replicas: 2
enabled: yes
mode: 0755
ratio: 1.50
greeting: 'it''s "me"'
empty:
resources: {}
tolerations: []
hosts:
- shop.example.com   # public
- api.example.com
script: |
    #!/bin/sh
    echo "one:  two"   # not a comment

    exit 0
banner: >-
    a long line
    in two
`

const several = `apiVersion: v1
kind: Service
metadata:
  name: api
spec:
  port: 80
---
# The second.
apiVersion: v1
kind: ConfigMap
metadata:
  name: api
data:
  port: "80"
  key: &k value
  same: *k
...
---
apiVersion: batch/v1
kind: Job
metadata: {name: api}
spec:
  port: 80
`

const kustomization = `resources:
- ../base
images:
# Released on Mondays.
- name: example.com/api
  newTag: v1   # not latest
- name: example.com/web
  newTag: v1
`

// tidy is a file without any of that.
const tidy = `# Limits of the shop.
apiVersion: v1
kind: LimitRange
metadata:
  name: limits
  labels:
    app: shop
spec:
  limits:
    # For each container.
    - type: Container
      default:
        memory: 512Mi # raised in March
        cpu: 500m
      max:
        memory: 1Gi
`

// edits are forty of them: what remediations ask for, in files that have what
// files have.
func edits() []one {
	return append(append(inDeployments(), inValues()...), elsewhere()...)
}

func inDeployments() []one {
	containers := keys("spec.template.spec.containers")
	return []one{
		{"raise a memory limit", deployment, set, "", item(containers, "api", "resources.limits.memory"), "768Mi", "512Mi  ", "768Mi  "},
		{"set a cpu limit", deployment, set, "", item(containers, "api", "resources.limits.cpu"), "1", "500m", `"1"`},
		{"add a limit", deployment, set, "", item(containers, "proxy", "resources.limits.cpu"), "100m", "64Mi\n", "64Mi\n              cpu: 100m\n"},
		{"set replicas", deployment, set, "", keys("spec.replicas"), 3, "2   #", "3   #"},
		{"delete replicas", deployment, remove, "", keys("spec.replicas"), nil, "  replicas: 2   # two are enough\n", ""},
		{"set an image in double quotes", deployment, set, "", item(containers, "api", "image"), "api:2", "api:1", "api:2"},
		{"set an image in single quotes", deployment, set, "", item(containers, "proxy", "image"), "proxy:2", "proxy:1", "proxy:2"},
		{"set a label in braces", deployment, set, "", keys("metadata.labels.tier"), "db", `"web"`, `"db"`},
		{"add a label in braces", deployment, set, "", keys("metadata.labels.team"), "blue", `"web"}`, `"web", team: blue}`},
		{"delete a label in braces", deployment, remove, "", keys("metadata.labels.app"), nil, "{app: api, ", "{"},
		{"add an annotation", deployment, set, "", append(keys("metadata.annotations"), hop{key: "example.com/why"}), "alert: memory", "part-of: shop\n", "part-of: shop\n    example.com/why: \"alert: memory\"\n"},
		{"set a key with dots", deployment, set, "", append(keys("metadata.annotations"), hop{key: "app.kubernetes.io/part-of"}), "store", "part-of: shop", "part-of: store"},
		{"append an argument in brackets", deployment, add, "", append(append(containers, hop{name: "api"}), hop{key: "args"}), "--safe", `'--quiet']`, `'--quiet', --safe]`},
		{"append to a command", deployment, add, "", append(append(containers, hop{name: "api"}), hop{key: "command"}), "--safe", "- serve\n", "- serve\n            - --safe\n"},
		{"set a word of a command", deployment, set, "", at(append(append(containers, hop{name: "api"}), hop{key: "command"}), 1), "run", "- serve", "- run"},
		{"delete a container", deployment, remove, "", append(containers, hop{name: "proxy"}), nil, "        - name: proxy\n          image: 'proxy:1'\n          resources:\n            limits:\n              memory: 64Mi\n", ""},
		{"add a map", deployment, set, "", keys("spec.strategy"), map[string]any{"type": "Recreate"}, "restartPolicy: Always\n", "restartPolicy: Always\n  strategy:\n    type: Recreate\n"},
	}
}

func inValues() []one {
	return []one{
		{"set a tag", values, set, "", keys("image.tag"), "v1.0.1", "v1.0.0", "v1.0.1"},
		{"set a tag like a number", values, set, "", keys("image.tag"), "1.10", "v1.0.0", `"1.10"`},
		{"set text with a newline", values, set, "", keys("image.tag"), "v2\nadmin: true", "v1.0.0", `"v2\nadmin: true"`},
		{"set text with a hash", values, set, "", keys("image.tag"), "v2 # x", "v1.0.0", `"v2 # x"`},
		{"set a value behind spaces", values, set, "", keys("image.pullPolicy"), "Always", "IfNotPresent", "Always"},
		{"set text in single quotes", values, set, "", keys("greeting"), "it's me", `'it''s "me"'`, `'it''s me'`},
		{"set an empty value", values, set, "", keys("empty"), "full", "empty:", "empty: full"},
		{"add into {}", values, set, "", keys("resources.limits.memory"), "1Gi", "resources: {}", "resources:\n    limits:\n        memory: 1Gi"},
		{"append to []", values, add, "", keys("tolerations"), map[string]any{"operator": "Exists"}, "tolerations: []", "tolerations:\n- operator: Exists"},
		{"append a host", values, add, "", keys("hosts"), "www.example.com", "- api.example.com\n", "- api.example.com\n- www.example.com\n"},
		{"delete a host", values, remove, "", at(keys("hosts"), 1), nil, "- api.example.com\n", ""},
		{"set block text", values, set, "", keys("script"), "exit 1\n", "    #!/bin/sh\n    echo \"one:  two\"   # not a comment\n\n    exit 0\n", "    exit 1\n"},
	}
}

func elsewhere() []one {
	windows := strings.ReplaceAll(values, "\n", "\r\n")
	bare := strings.TrimSuffix(kustomization, "\n")
	return []one{
		{"set in a tidy file", tidy, set, "", append(at(keys("spec.limits"), 0), keys("default.memory")...), "768Mi", "512Mi #", "768Mi #"},
		{"add in a tidy file", tidy, set, "", append(at(keys("spec.limits"), 0), keys("max.cpu")...), "2000m", "1Gi\n", "1Gi\n        cpu: 2000m\n"},
		{"delete in a tidy file", tidy, remove, "", append(at(keys("spec.limits"), 0), keys("default.cpu")...), nil, "        cpu: 500m\n", ""},
		{"add a map in a tidy file", tidy, set, "", keys("metadata.annotations"), map[string]any{"owner": "team"}, "app: shop\n", "app: shop\n  annotations:\n    owner: team\n"},
		{"set in the second document", several, set, "ConfigMap", keys("data.port"), "81", `"80"`, `"81"`},
		{"set in the third document", several, set, "Job", keys("spec.port"), 81, "{name: api}\nspec:\n  port: 80", "{name: api}\nspec:\n  port: 81"},
		{"set in a Windows file", windows, set, "", keys("image.tag"), "v2", "v1.0.0", "v2"},
		{"add in a Windows file", windows, set, "", keys("image.digest"), "none", "IfNotPresent\r\n", "IfNotPresent\r\n    digest: none\r\n"},
		{"set behind a byte order mark", "\ufeff" + kustomization, set, "", item(keys("images"), "example.com/api", "newTag"), "v2", "v1   #", "v2   #"},
		{"set without a final newline", bare, set, "", item(keys("images"), "example.com/web", "newTag"), "v2", "web\n  newTag: v1", "web\n  newTag: v2"},
		{"append without a final newline", bare, add, "", keys("images"), map[string]any{"name": "nginx", "newTag": "v1"}, "web\n  newTag: v1", "web\n  newTag: v1\n- name: nginx\n  newTag: v1"},
	}
}
