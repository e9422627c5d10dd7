// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// A certificate shows the names it is served for, and takes them, as if they
// were a field of its own; they are entities that refer to it.

// certificateOf returns the key of the certificate that is served for a name.
func certificateOf(c *call, name string) (store.Key, error) {
	sni, err := c.store().Get(c.request.Context(), entity.SNIs, store.Key{Field: "name", Value: name})
	if err != nil {
		return store.Key{}, err
	}
	return store.ID(sni.Reference("certificate")), nil
}

// sniNames lists the names of a certificate, sorted.
func sniNames(c *call, certificate string) ([]any, error) {
	names := []any{}
	query := store.Query{Size: maxPage, Field: "certificate", Reference: certificate}
	for more := true; more; {
		page, rest, err := c.store().List(c.request.Context(), entity.SNIs, query)
		if err != nil {
			return nil, err
		}
		for _, sni := range page {
			names = append(names, sni.Name())
			query.After = sni.ID()
		}
		more = rest
	}
	slices.SortFunc(names, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	return names, nil
}

// replaceSNIs makes names the names of a certificate. A name of another
// certificate is refused.
func replaceSNIs(ctx context.Context, tx *store.Tx, certificate string, names []string) error {
	old, err := tx.Referring(ctx, entity.SNIs, "certificate", certificate)
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, sni := range old {
		if slices.Contains(names, sni.Name()) {
			kept[sni.Name()] = true
			continue
		}
		if err := tx.Delete(ctx, entity.SNIs, sni.ID()); err != nil {
			return err
		}
	}
	for _, name := range names {
		if kept[name] {
			continue
		}
		if other, err := tx.Get(ctx, entity.SNIs, store.Key{Field: "name", Value: name}); err != nil || other != nil {
			return errors.Join(err, taken(name, other))
		}
		sni, err := entity.SNIs.Complete(entity.Record{"name": name, "certificate": map[string]any{"id": certificate}})
		if err != nil {
			return err
		}
		if err := tx.Put(ctx, entity.SNIs, sni, nil); err != nil {
			return err
		}
	}
	return nil
}

// taken is the refusal of a name that another certificate has; nil without one.
func taken(name string, sni entity.Record) error {
	if sni == nil {
		return nil
	}
	return violation("snis", fmt.Sprintf("%s already associated with existing certificate '%s'", name, sni.Reference("certificate")))
}
