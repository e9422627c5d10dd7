// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// A certificate shows the names it is served for, and takes them, as if they
// were a field of its own; they are entities that refer to it.

// errNoName refuses a path with a name that no certificate is served for.
var errNoName = errors.New("SNI not found")

// certificateOf returns the key of the certificate that is served for a name. PUT
// makes one.
func certificateOf(c *call, name string) (store.Key, error) {
	sni, err := c.store().Get(c.request.Context(), entity.SNIs, store.Key{Field: "name", Value: name})
	var refusal *entity.Error
	switch {
	case err == nil:
		return store.ID(sni.Reference("certificate")), nil
	case !errors.As(err, &refusal) || refusal.Code != entity.CodeNotFound:
		return store.Key{}, err
	case c.request.Method != http.MethodPut:
		return store.Key{}, errNoName
	}
	c.newName = name
	return store.ID(uuid.NewString()), nil
}

// addName adds the name that a certificate is made for to those in its body.
func (c *call) addName(record entity.Record) {
	if c.newName == "" || slices.Contains(record.Texts("snis"), c.newName) {
		return
	}
	names, _ := record["snis"].([]any)
	record["snis"] = append(names, c.newName)
}

// unusedCA refuses to delete a CA certificate that a service verifies its
// upstream by (Kong 3.9). The list there is no reference that the database minds.
func unusedCA(ctx context.Context, tx *store.Tx, id string) error {
	services, err := tx.Mentioning(ctx, entity.Services, id)
	if err != nil {
		return err
	}
	for _, service := range services {
		if slices.Contains(service.Texts("ca_certificates"), id) {
			return &entity.Error{Code: entity.CodeInUse,
				Message: fmt.Sprintf("ca certificate %s is still referenced by services (id = %s)", id, service.ID())}
		}
	}
	return nil
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
