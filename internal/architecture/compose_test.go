package architecture

import (
	"fmt"
	"go/version"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// There is no Docker engine where the tests run: the Compose specification's own
// library reads the file as `docker compose` would, and the rest is checked here.

func TestCompose(t *testing.T) {
	t.Parallel()
	for _, fault := range composeFaults(t, readFromTop(t, "docker-compose.yml")) {
		t.Error(fault)
	}
}

// TestComposeFaults spoils the file in one place after the other, and wants to be
// told.
func TestComposeFaults(t *testing.T) {
	t.Parallel()
	good := readFromTop(t, "docker-compose.yml")
	for _, tc := range []struct{ old, new, want string }{
		{"mongo:7.0.39", "mongo", `source: image "mongo" has no exact tag`},
		{"mongo:7.0.39", "mongo:latest", `destination: image "mongo:latest" has no exact tag`},
		{"mongo:7.0.39", "mongo:7.0.7", "source: want mongo:7.0, from 7.0.8"},
		{"postgres:16.14", "postgres:16", `postgres: image "postgres:16" has no exact tag`},
		{"auto-setup:1.29.7", "auto-setup:1.29", `temporal: image "temporalio/auto-setup:1.29" has no exact tag`},
		{`test: ["CMD", "starter", "list"]`, "disable: true", "worker: has no healthcheck"},
		{`["CMD", "starter", "list"]`, `["NONE"]`, "worker: has no healthcheck"},
		{"127.0.0.1:8233:8080", "8233:8080", "temporal-ui: port 8080 is published on more than loopback"},
		{"127.0.0.1:7233:7233", "0.0.0.0:7233:7233", "temporal: port 7233 is published on more than loopback"},
		{"build: .", "build: .\n    network_mode: host", "worker: is in the host's network"},
		{"      source:\n        condition: service_healthy\n", "", "worker: does not wait for source"},
		{"condition: service_healthy", "condition: service_started", "temporal: does not wait for postgres"},
		{"      postgres:\n        condition", "      database:\n        condition", "undefined service"},
		{"  temporal-ui:\n", "  ui:\n", "no service temporal-ui"},
		{"source:27017\"}", "localhost:27017\"}", "source: its healthcheck does not initiate the set source"},
		{`"--replSet", "destination"`, `"--replSet", "rs0"`, "destination: does not run as set destination"},
		{"mongodb://source:27017", "mongodb://source:27018", `worker: MONGOFERRY_SOURCE is "mongodb://source:27018/`},
		{"TEMPORAL_ADDRESS: temporal:7233\n      # May", "# May", `worker: TEMPORAL_ADDRESS is "", want "temporal:7233"`},
		{"${MONGOFERRY_KEY:-}", `""`, `worker: MONGOFERRY_KEY is "", want "the key"`},
		{"- source:/data/db", "- /data/db", "source: /data/db is not on a volume that has a name"},
		{"    healthcheck:", "    healthchecks:", ".healthchecks"},
	} {
		if !strings.Contains(good, tc.old) {
			t.Errorf("docker-compose.yml holds no %q to spoil", tc.old)
			continue
		}
		faults := strings.Join(composeFaults(t, strings.ReplaceAll(good, tc.old, tc.new)), "\n")
		if !strings.Contains(faults, tc.want) {
			t.Errorf("%q instead of %q: got %q, want %q", tc.new, tc.old, faults, tc.want)
		}
	}
}

// composeNeeds are the services that there must be, and what each waits for.
var composeNeeds = map[string][]string{
	"postgres":    nil,
	"temporal":    {"postgres"},
	"temporal-ui": {"temporal"},
	"source":      nil,
	"destination": nil,
	"worker":      {"temporal", "source", "destination"},
}

// composeData is where the servers keep what must outlive their containers.
var composeData = map[string]string{"postgres": "/var/lib/postgresql/data", "source": "/data/db", "destination": "/data/db"}

// composeFaults are all that is wrong with a compose file.
func composeFaults(t *testing.T, text string) []string {
	t.Helper()
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  filepath.Join("..", ".."),
		ConfigFiles: []types.ConfigFile{{Filename: "docker-compose.yml", Content: []byte(text)}},
		Environment: types.Mapping{"MONGOFERRY_KEY": "the key"},
	}, loader.WithProfiles([]string{"*"}))
	if err != nil {
		return []string{err.Error()}
	}
	faults := missingServices(p)
	for _, name := range p.ServiceNames() {
		s := p.Services[name]
		for _, check := range []func(*types.Project, types.ServiceConfig) []string{
			imageFaults, healthFaults, dependencyFaults, portFaults, volumeFaults, replicaSetFaults, workerFaults,
		} {
			for _, fault := range check(p, s) {
				faults = append(faults, name+": "+fault)
			}
		}
	}
	return faults
}

func missingServices(p *types.Project) (faults []string) {
	for _, name := range slices.Sorted(maps.Keys(composeNeeds)) {
		if _, ok := p.Services[name]; !ok {
			faults = append(faults, "no service "+name)
		}
	}
	return faults
}

func imageFaults(_ *types.Project, s types.ServiceConfig) []string {
	if s.Image == "" || exactImage(s.Image) { // the library wants an image or a build
		return nil
	}
	return []string{fmt.Sprintf("image %q has no exact tag", s.Image)}
}

func healthFaults(p *types.Project, s types.ServiceConfig) []string {
	if endsByItself(p, s.Name) || hasHealthcheck(s) {
		return nil
	}
	return []string{"has no healthcheck"}
}

func hasHealthcheck(s types.ServiceConfig) bool {
	h := s.HealthCheck
	return h != nil && !h.Disable && len(h.Test) > 1 && h.Test[0] != "NONE"
}

// endsByItself says that somebody waits for a service's end.
func endsByItself(p *types.Project, name string) bool {
	for _, s := range p.Services {
		if s.DependsOn[name].Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	return false
}

// dependencyFaults: that a service waited for exists is for the library to say,
// that one waited for to be healthy has a healthcheck for healthFaults.
func dependencyFaults(_ *types.Project, s types.ServiceConfig) (faults []string) {
	wanted := slices.Concat(composeNeeds[s.Name], slices.Sorted(maps.Keys(s.DependsOn)))
	for _, name := range slices.Compact(slices.Sorted(slices.Values(wanted))) {
		switch s.DependsOn[name].Condition {
		case types.ServiceConditionHealthy, types.ServiceConditionCompletedSuccessfully:
		default:
			faults = append(faults, "does not wait for "+name)
		}
	}
	return faults
}

func portFaults(_ *types.Project, s types.ServiceConfig) (faults []string) {
	if s.NetworkMode == "host" {
		faults = append(faults, "is in the host's network")
	}
	for _, port := range s.Ports {
		if !net.ParseIP(port.HostIP).IsLoopback() {
			faults = append(faults, fmt.Sprintf("port %d is published on more than loopback", port.Target))
		}
	}
	return faults
}

func volumeFaults(_ *types.Project, s types.ServiceConfig) []string {
	folder := composeData[s.Name]
	named := func(v types.ServiceVolumeConfig) bool {
		return v.Type == types.VolumeTypeVolume && v.Target == folder && v.Source != ""
	}
	if folder == "" || slices.ContainsFunc(s.Volumes, named) {
		return nil
	}
	return []string{folder + " is not on a volume that has a name"}
}

// replicaSetFaults: a member is known to the others, and to the worker, by the
// name that the set was initiated with.
func replicaSetFaults(_ *types.Project, s types.ServiceConfig) (faults []string) {
	if s.Name != "source" && s.Name != "destination" {
		return nil
	}
	if patch, err := strconv.Atoi(strings.TrimPrefix(s.Image, "mongo:7.0.")); err != nil || patch < 8 {
		faults = append(faults, "want mongo:7.0, from 7.0.8")
	}
	if i := slices.Index(s.Command, "--replSet"); i < 0 || !slices.Contains(s.Command[i:], s.Name) {
		faults = append(faults, "does not run as set "+s.Name)
	}
	initiate := fmt.Sprintf(`rs.initiate({_id: %q, members: [{_id: 0, host: "%s:27017"}]})`, s.Name, s.Name)
	if s.HealthCheck == nil || !strings.Contains(strings.Join(s.HealthCheck.Test, " "), initiate) {
		faults = append(faults, "its healthcheck does not initiate the set "+s.Name)
	}
	return faults
}

// workerFaults: with this environment the worker finds Temporal, and the starter
// needs no flags.
func workerFaults(_ *types.Project, s types.ServiceConfig) (faults []string) {
	if s.Name != "worker" {
		return nil
	}
	for name, want := range map[string]string{
		"TEMPORAL_ADDRESS":       "temporal:7233",
		"MONGOFERRY_KEY":         "the key",
		"MONGOFERRY_SOURCE":      "mongodb://source:27017/?replicaSet=source",
		"MONGOFERRY_DESTINATION": "mongodb://destination:27017/?replicaSet=destination",
	} {
		value := ""
		if v := s.Environment[name]; v != nil {
			value = *v
		}
		if value != want {
			faults = append(faults, fmt.Sprintf("%s is %q, want %q", name, value, want))
		}
	}
	return faults
}

// imageName is a name on Docker Hub with a version; what follows the version
// names a base, as in -bookworm or -slim.
var imageName = regexp.MustCompile(`^((?:[a-z0-9-]+/)?[a-z0-9-]+):(\d+(?:\.\d+)+)(?:-[a-z]+)*$`)

// exactImage says whether an image names one release.
func exactImage(image string) bool {
	found := imageName.FindStringSubmatch(image)
	if found == nil {
		return false
	}
	parts := 3
	if found[1] == "postgres" || found[1] == "debian" {
		parts = 2 // they have no third
	}
	return strings.Count(found[2], ".")+1 >= parts
}

func TestExactImage(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]bool{
		"mongo:7.0.39": true, "mongo:7.0": false, "mongo:7": false, "mongo:latest": false, "mongo": false, "mongo:7.0.39-rc0": false,
		"postgres:16.14": true, "postgres:16": false, "postgres:16-alpine": false,
		"debian:12.13-slim": true, "debian:12-slim": false, "debian:bookworm-slim": false,
		"golang:1.26.8-bookworm": true, "golang:1.26-bookworm": false,
		"temporalio/ui:2.42.1": true, "temporalio/ui": false, "registry.example/ui:2.42.1": false,
	} {
		if exactImage(image) != want {
			t.Errorf("%s: exact is %t, want %t", image, !want, want)
		}
	}
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	from := regexp.MustCompile(`(?m)^FROM\s+(\S+)`).FindAllStringSubmatch(readFromTop(t, "Dockerfile"), -1)
	if len(from) != 2 {
		t.Fatalf("Dockerfile: got %d stages, want one that builds and one that runs", len(from))
	}
	for _, image := range from {
		if !exactImage(image[1]) {
			t.Errorf("Dockerfile: image %q has no exact tag", image[1])
		}
	}
	// The image of Go fetches no other Go.
	built := imageName.FindStringSubmatch(from[0][1])
	wanted := regexp.MustCompile(`(?m)^go (\S+)`).FindStringSubmatch(readFromTop(t, "go.mod"))
	if built == nil || built[1] != "golang" || version.Compare("go"+built[2], "go"+wanted[1]) < 0 {
		t.Errorf("Dockerfile: %s cannot build what go.mod wants Go %s for", from[0][1], wanted[1])
	}
}

// TestDockerignore: what is not named there is missing when the image is built.
func TestDockerignore(t *testing.T) {
	t.Parallel()
	lines := strings.Split(readFromTop(t, ".dockerignore"), "\n")
	files, err := filepath.Glob("../../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	needed := []string{"*", "!go.mod", "!go.sum", "!internal"}
	for _, file := range files {
		if folder := filepath.Base(filepath.Dir(file)); folder != "bench" { // the image has no use for it
			needed = append(needed, "!"+folder)
		}
	}
	for _, line := range slices.Compact(needed) {
		if !slices.Contains(lines, line) {
			t.Errorf(".dockerignore: no line %q", line)
		}
	}
}

// readFromTop reads a file of the repository's top folder.
func readFromTop(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
