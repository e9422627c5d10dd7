// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds a kong.conf and a file that a parameter names, in bytes.
const maxFile = 4 << 20

// readLimited reads a file of at most maxFile bytes.
func readLimited(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return data, err
}

func readFile(path string) (map[string]given, error) {
	data, err := readLimited(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration file: %w", err)
	}
	all, err := parseFile(string(data), filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	return all, nil
}

// parseFile reads the lines of a kong.conf: "key = value", with comments from
// an unescaped # to the end of the line; a line that ends in a backslash goes on
// in the next one. Of a line that it does not understand it shows nothing: it may
// belong to a private key that was pasted in.
func parseFile(text, name string) (map[string]given, error) {
	all := map[string]given{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		number := i + 1
		var whole strings.Builder
		part := strings.TrimSpace(stripComment(lines[i]))
		for strings.HasSuffix(part, `\`) && i+1 < len(lines) {
			whole.WriteString(strings.TrimSuffix(part, `\`))
			i++
			part = strings.TrimSpace(stripComment(lines[i]))
		}
		whole.WriteString(part)
		if whole.Len() == 0 {
			continue
		}
		key, value, ok := strings.Cut(whole.String(), "=")
		key = strings.TrimSpace(key)
		if !ok || !isName(key) {
			return nil, fmt.Errorf("line %d: expected name = value, with the name of a parameter; text of several lines, such as PEM, is given by a path or in base64", number)
		}
		all[strings.ToLower(key)] = given{value: strings.TrimSpace(value), origin: fmt.Sprintf("%s line %d", name, number)}
	}
	return all, nil
}

func stripComment(line string) string {
	for i := 0; i < len(line); i++ {
		if line[i] == '#' && (i == 0 || line[i-1] != '\\') {
			line = line[:i]
		}
	}
	return strings.ReplaceAll(line, `\#`, "#")
}
