// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"blackout/internal/gateway/cache"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
)

// startWithOwn puts what the node has itself into force, its cache or its
// declarative configuration, and reports whether there was one. The error is
// that of a declarative configuration that cannot be used: with it the node
// does not start, for it would do without what its operator relies on.
//
// Kong documents that the cache comes first, and its code of 3.9 takes the
// declarative configuration first; [conf.DeclarativeOrder] chooses. With the
// cache first, a usable one leaves the file unread: a mistake in it then keeps
// no node down that can serve.
func (dp *dataPlane) startWithOwn(config *conf.Config) (bool, error) {
	if config.DeclarativeOrder != conf.FileFirst && dp.restore() {
		return true, nil
	}
	declared, err := dp.declare(config)
	if declared || err != nil {
		return declared, err
	}
	return config.DeclarativeOrder == conf.FileFirst && dp.restore(), nil
}

// declare puts the declarative configuration into force and reports whether
// there was one. One without entities counts as none, so that a placeholder
// replaces nothing and the node goes on to look for a better one.
func (dp *dataPlane) declare(config *conf.Config) (bool, error) {
	name, text, err := readDeclarative(config)
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	if name == "" {
		return false, nil
	}
	table, err := entity.ParseDeclarative(text)
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, inOneLine(err))
	}
	if table.IsEmpty() {
		dp.log.Warn("declarative_config.empty", "source", name)
		return false, nil
	}
	if err := dp.apply(configuration{Entry: cache.Entry{Table: table.Raw}, source: fromDeclarative}); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}

// readDeclarative returns the declarative configuration and how errors name it.
// The name is empty if there is none. The file has precedence over the text (Kong
// 3.9).
func readDeclarative(config *conf.Config) (name string, text []byte, err error) {
	switch {
	case config.DeclarativeConfig != "":
		text, err = os.ReadFile(config.DeclarativeConfig)
		if err != nil {
			return "declarative_config", nil, err // which names the file
		}
		return "declarative_config " + config.DeclarativeConfig, text, nil
	case config.DeclarativeConfigString != "":
		return "declarative_config_string", []byte(config.DeclarativeConfigString), nil
	}
	return "", nil, nil
}

// shownProblems is how many problems of a declarative configuration an error
// names; one mistake can be in thousands of rows.
const shownProblems = 3

// wholeRow is where the fields of a refusal have what concerns several fields of
// a row (Kong 3.9).
const wholeRow = "@entity"

// inOneLine makes the refusal of a declarative configuration, whose fields mirror
// the file, one line of "services.2.routes.1.paths.1: what is wrong". Rows are
// counted from 1.
func inOneLine(err error) error {
	var refusal *entity.Error
	if !errors.As(err, &refusal) || len(refusal.Fields) == 0 {
		return err
	}
	problems := problemsOf("", refusal.Fields)
	line := strings.Join(problems[:min(shownProblems, len(problems))], "; ")
	if more := len(problems) - shownProblems; more > 0 {
		line += fmt.Sprintf("; and %d more", more)
	}
	return errors.New(line)
}

// problemsOf lists the problems at a place and below it, by name and number.
func problemsOf(place string, problem any) []string {
	below := func(step string) string { return strings.TrimPrefix(place+"."+step, ".") }
	var all []string
	switch problem := problem.(type) {
	case nil: // a row without one, before a row with one
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(problem)) {
			if messages, ok := problem[name].([]any); ok && name == wholeRow {
				for _, message := range messages {
					all = append(all, problemsOf(place, message)...)
				}
				continue
			}
			all = append(all, problemsOf(below(name), problem[name])...)
		}
	case []any:
		for i, element := range problem {
			all = append(all, problemsOf(below(fmt.Sprint(i+1)), element)...)
		}
	default:
		all = append(all, fmt.Sprintf("%s: %v", place, problem))
	}
	return all
}
