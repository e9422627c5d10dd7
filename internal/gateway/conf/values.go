// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// accept takes any value of the right form: what it asks for is always so.
func accept(*Config, string) error { return nil }

func text(field func(*Config) *string) setter {
	return func(c *Config, value string) error {
		*field(c) = value
		return nil
	}
}

// isOn takes on and true for true, and everything else for false, as Kong does.
func isOn(value string) bool { return value == "on" || value == "true" }

func truth(field func(*Config) *bool) setter {
	return func(c *Config, value string) error {
		*field(c) = isOn(value)
		return nil
	}
}

func duration(field func(*Config) *time.Duration) setter {
	return func(c *Config, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is no positive duration like 500ms or 5s", short(value))
		}
		*field(c) = d
		return nil
	}
}

// durationFrom is a duration of at least some length.
func durationFrom(field func(*Config) *time.Duration, least time.Duration) setter {
	return func(c *Config, value string) error {
		if err := duration(field)(c, value); err != nil {
			return err
		}
		if *field(c) < least {
			return fmt.Errorf("%q is less than %s, the least that is taken", short(value), least)
		}
		return nil
	}
}

// durationOrZero is a duration that may be switched off.
func durationOrZero(field func(*Config) *time.Duration) setter {
	return func(c *Config, value string) error {
		if *field(c) = 0; value == "0" {
			return nil
		}
		return duration(field)(c, value)
	}
}

// maxSeconds keeps a number of seconds within what a time.Duration can hold.
const maxSeconds = 1e9

// seconds takes a number of seconds, with decimals if need be.
func seconds(field func(*Config) *time.Duration) setter {
	return span(field, time.Second, "seconds")
}

// milliseconds takes a number of milliseconds; nothing means zero.
func milliseconds(field func(*Config) *time.Duration) setter {
	return func(c *Config, value string) error {
		if *field(c) = 0; value == "" {
			return nil
		}
		return span(field, time.Millisecond, "milliseconds")(c, value)
	}
}

func span(field func(*Config) *time.Duration, unit time.Duration, name string) setter {
	return func(c *Config, value string) error {
		number, err := strconv.ParseFloat(value, 64)
		if err != nil || !(number >= 0 && number*unit.Seconds() <= maxSeconds) {
			return fmt.Errorf("%q is no number of %s", short(value), name)
		}
		*field(c) = time.Duration(number * float64(unit))
		return nil
	}
}

func wholeNumber(value string) (int64, error) {
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil || number < 0 {
		return 0, fmt.Errorf("%q is no whole number", short(value))
	}
	return number, nil
}

// within takes a whole number between two bounds, both allowed.
func within(field func(*Config) *int, low, high int) setter {
	return func(c *Config, value string) error {
		number, err := wholeNumber(value)
		if err != nil {
			return err
		}
		if number < int64(low) || number > int64(high) {
			return fmt.Errorf("must be between %d and %d", low, high)
		}
		*field(c) = int(number)
		return nil
	}
}

func count(field func(*Config) *int) setter { return within(field, 0, math.MaxInt32) }

// orUnset is a whole number that may be left out.
func orUnset(field func(*Config) *int, unset int) setter {
	return func(c *Config, value string) error {
		if *field(c) = unset; value == "" {
			return nil
		}
		return count(field)(c, value)
	}
}

var sizePattern = regexp.MustCompile(`^([0-9]{1,15})([kKmMgG]?)$`)

// size takes a number of bytes as nginx writes it: 10m, 8k, 512.
func size(field func(*Config) *int64) setter {
	return func(c *Config, value string) error {
		parts := sizePattern.FindStringSubmatch(value)
		if parts == nil {
			return fmt.Errorf("%q is no size like 512, 8k or 10m", short(value))
		}
		number, err := strconv.ParseInt(parts[1], 10, 64)
		unit := map[string]int64{"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[strings.ToLower(parts[2])]
		if err != nil || number > math.MaxInt64/unit {
			return fmt.Errorf("%q is too large", short(value))
		}
		*field(c) = number * unit
		return nil
	}
}

// list splits a comma-separated list and leaves empty elements out.
func list(value string) []string {
	var elements []string
	for _, element := range strings.Split(value, ",") {
		if element = strings.TrimSpace(element); element != "" {
			elements = append(elements, element)
		}
	}
	return elements
}

// isCanonicalUUID is stricter than package uuid, which also takes braces, a urn
// and a form without hyphens.
var isCanonicalUUID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString

// IsNodeID reports whether id can be a node's: a UUID in its usual form.
func IsNodeID(id string) bool { return isCanonicalUUID(id) }

func setNodeID(c *Config, value string) error {
	if value != "" && !IsNodeID(value) {
		return errors.New("must be a valid UUID")
	}
	c.NodeID = value
	return nil
}

func setVersion(c *Config, value string) error {
	parts := strings.Split(value, ".")
	for _, part := range parts {
		if _, err := wholeNumber(part); err != nil || len(part) > 9 {
			return fmt.Errorf("%q is no version like 3.9.1", short(value))
		}
	}
	if len(parts) < 3 || len(parts) > 4 {
		return fmt.Errorf("%q is no version like 3.9.1", short(value))
	}
	c.Version = value
	return nil
}
