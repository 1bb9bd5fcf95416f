package memory_test

import (
	"testing"

	"github.com/kubernaut/kubernaut/gitops/forge/forgetest"
	"github.com/kubernaut/kubernaut/gitops/forge/memory"
)

func TestContract(t *testing.T) {
	forgetest.Run(t, func(*testing.T) forgetest.Repository { return forgetest.Repository{Forge: memory.New()} })
}
