// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import "blackout/internal/fallback/bucket/s3"

var _ Administration = s3.Administration{}

// Administration is that of the storage's bucket; nil if its store has none.
func (s *Storage) Administration() Administration {
	if administered, is := s.Bucket.(interface{ Administration() s3.Administration }); is {
		return administered.Administration()
	}
	return nil
}
