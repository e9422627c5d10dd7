// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"fmt"

	"github.com/onsi/gomega/types"
)

// exited is a program that has ended.
type exited interface{ ExitCode() int }

// ExitWith matches a program that has ended by its exit code, such as those that
// harness/run names: an *os.ProcessState, or anything else with an ExitCode. What
// it says of itself as a fmt.Stringer stands in the message.
func ExitWith(code int) types.GomegaMatcher {
	return &matcher{want: fmt.Sprintf("to exit with %d", code), look: func(actual any) (sighting, error) {
		program, ok := actual.(exited)
		if !ok {
			return sighting{}, fmt.Errorf("%T is no program that has ended: give an *os.ProcessState, or what has an ExitCode", actual)
		}
		of := fmt.Sprintf("%T", actual)
		if named, ok := actual.(fmt.Stringer); ok {
			of = named.String()
		}
		return sighting{
			ok: program.ExitCode() == code, of: of,
			saw: func() string { return fmt.Sprintf("it exited with %d", program.ExitCode()) },
		}, nil
	}}
}
