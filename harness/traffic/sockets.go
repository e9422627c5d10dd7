// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// countSockets counts the sockets among the open files of a process, in the /proc of
// a root. Files that are closed meanwhile are none.
func countSockets(root fs.FS, pid int) (int, error) {
	dir := fmt.Sprintf("proc/%d/fd", pid)
	files, err := fs.ReadDir(root, dir)
	if err != nil {
		return 0, fmt.Errorf("count sockets: %w", err)
	}
	sockets := 0
	for _, f := range files {
		target, err := fs.ReadLink(root, dir+"/"+f.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("count sockets: %w", err)
		}
		if strings.HasPrefix(target, "socket:") {
			sockets++
		}
	}
	return sockets, nil
}
