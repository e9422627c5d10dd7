// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"encoding/json"
	"net/http"
	"strings"
)

// AccountsPath is the path, before an access key, under which the root account
// puts and deletes accounts.
const AccountsPath = "/.accounts/"

func accountPath(path string) (accessKey string, ok bool) {
	return strings.CutPrefix(path, AccountsPath)
}

// administer answers an account request of a signer whose signature holds.
func (s *Server) administer(w http.ResponseWriter, r *http.Request, by Account, accessKey string) error {
	if by.Rights != Root {
		return accessDenied("Only the root account manages accounts.")
	}
	var err error
	switch r.Method {
	case http.MethodPut:
		err = s.putAccount(r, accessKey)
	case http.MethodDelete:
		err = s.accounts.remove(accessKey)
	default:
		err = fault{http.StatusMethodNotAllowed, "MethodNotAllowed", "Accounts take PUT and DELETE."}
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) putAccount(r *http.Request, accessKey string) error {
	account := Account{AccessKey: accessKey}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&account); err != nil {
		return badRequest("InvalidArgument", "The body is not an account in JSON.")
	}
	if err := s.accounts.set(account); err != nil {
		return err
	}
	s.log.Info("s3 account set", "access_key", accessKey, "bucket", account.Bucket,
		"prefix", account.Prefix, "rights", account.Rights)
	return nil
}
