package e2e

import (
	"testing"

	"mongoferry/internal/random"
)

// onlyInASoak leaves a test out of `make test`, for which it takes too long.
func onlyInASoak(t *testing.T) {
	t.Helper()
	if !random.Soaking() {
		t.Skip("it takes long: make soak runs it, or MONGOFERRY_SOAK=1")
	}
}
