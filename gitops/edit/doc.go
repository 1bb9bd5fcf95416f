// Package edit changes values in YAML files byte by byte and proves that nothing else changed.
package edit
