package growth

import (
	"os"
	"testing"

	"mongoferry/internal/devstack"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }
