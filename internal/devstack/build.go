package devstack

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// Build builds one of the project's commands, such as worker, into a temporary folder
// and gives its path: what a process leaves behind is only seen when it is one of
// its own. Call it once for a process.
func Build(command string) (string, error) {
	dir, err := TempDir("bin")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, command)
	out, err := exec.Command("go", "build", "-o", path, "mongoferry/"+command).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the %s: %w: %s", command, err, out)
	}
	return path, nil
}
