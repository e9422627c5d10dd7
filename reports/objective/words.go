// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// goal is what is to be reached, in words.
func (v *Verdict) goal() string {
	switch {
	case v.Kind == Share:
		return fmt.Sprintf("at least %s of %s", percent(*v.Target), v.SamplesName)
	case v.Kind == Gate:
		return "every check passes"
	case v.Kind == Count && *v.Limit == 0:
		return "never"
	case v.Kind == Count:
		return fmt.Sprintf("at most %s times", number(*v.Limit))
	case v.Kind == Ratio:
		return "at most " + number(*v.Limit) + " times as long"
	case v.Invariant:
		return fmt.Sprintf("all %s within %s", v.SamplesName, strings.TrimSpace(number(*v.Limit)+" "+v.Unit))
	}
	return fmt.Sprintf("at least %s of %s within %s", percent(*v.Target), v.SamplesName, strings.TrimSpace(number(*v.Limit)+" "+v.Unit))
}

// percent is a share in its shortest form: 0.999 is 99.9%.
func percent(share float64) string {
	text := strconv.FormatFloat(share*100, 'f', 10, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
}

// number is a number in its shortest form.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// seconds is a time with its unit.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

// duration refuses what is no positive time.
func duration(s string) error {
	if d, err := time.ParseDuration(s); err != nil || d <= 0 {
		return fmt.Errorf("%q is no time: write one as in 1s or 250ms", s)
	}
	return nil
}

// oneOf refuses what is not among some words.
func oneOf(words ...string) func(string) error {
	return func(s string) error {
		for _, w := range words {
			if s == w {
				return nil
			}
		}
		return fmt.Errorf("%q is not known: write %s", s, strings.Join(words, " or "))
	}
}

// between refuses what is no number above one and below another.
func between(low, high float64) func(string) error {
	return func(s string) error {
		if n, err := strconv.ParseFloat(s, 64); err != nil || !(n > low && n < high) {
			return fmt.Errorf("%q is no number above %g and below %g", s, low, high)
		}
		return nil
	}
}

// Duration is a parameter that is a time, or what it is without being given.
func (q Query) Duration(name string, without time.Duration) time.Duration {
	if d, err := time.ParseDuration(q.parameters[name]); err == nil {
		return d
	}
	return without
}

// Number is a parameter that is a number, or what it is without being given.
func (q Query) Number(name string, without float64) float64 {
	if n, err := strconv.ParseFloat(q.parameters[name], 64); err == nil {
		return n
	}
	return without
}

// Text is a parameter as it is given; empty if it is not.
func (q Query) Text(name string) string { return q.parameters[name] }
