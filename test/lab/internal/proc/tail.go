package proc

import (
	"io"
	"os"
	"strings"
)

// tail returns the last n lines of a file, none of them before offset from. It
// is for error messages, so what cannot be read is told instead of returned.
func tail(path string, from int64, n int) string {
	const most = 64 << 10
	file, err := os.Open(path)
	if err != nil {
		return "  " + err.Error()
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "  " + err.Error()
	}
	from = max(from, info.Size()-most)
	data, err := io.ReadAll(io.NewSectionReader(file, from, most))
	if err != nil {
		return "  " + err.Error()
	}
	return lastLines(string(data), n)
}

// lastLines returns the last n lines of a text, indented and not too long.
func lastLines(text string, n int) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return "  (it wrote nothing)"
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		lines[i] = "  " + line[:min(len(line), 500)]
	}
	return strings.Join(lines, "\n")
}
