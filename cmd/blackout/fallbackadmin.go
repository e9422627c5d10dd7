// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"blackout/harness/run"
	"blackout/internal/operator"
)

func (f *fallbackFlags) iamCommand() *cobra.Command {
	options := operator.PolicyOptions{Getenv: os.Getenv}
	c := &cobra.Command{
		Use:   "iam --role ROLE",
		Short: "Print the least-privilege policy of an exporter or an importer",
		Long: `Print what a node must be allowed, and no more: a policy for S3 and compatible stores, a
custom role for Google Cloud Storage. It goes to standard output as the provider takes it,
and what it cannot say to standard error. No store is asked.

What KONG_CLUSTER_FALLBACK_EXPORT_S3_CONFIG asks for with uploads is taken into account, and
AWS_REGION for the partition.`,
		Example: "  blackout fallback iam --storage s3://backup/eu --role importer --version 3.9.1 > policy.json",
		Args:    noArguments,
	}
	c.Flags().StringVar(&options.Role, "role", "", "the node's role: "+operator.Exporter+", "+operator.Importer)
	c.Flags().StringVar(&options.KMSKey, "kms-key", "", "ARN of the KMS key that encrypts the objects")
	addVersion(c, &options.Version, "the node's version; without it, any version")
	c.RunE = f.ran(func(c *cobra.Command) error {
		policy, err := operator.Policies(f.url(), options)
		if err != nil {
			return err
		}
		for _, note := range policy.Notes {
			fmt.Fprintln(c.ErrOrStderr(), "note: "+note)
		}
		return f.emit(c, policy)
	})
	return c
}

// maxDays is the longest time that a lifecycle rule is given: a hundred years.
const maxDays = 36500

func (f *fallbackFlags) bucketInitCommand() *cobra.Command {
	var options operator.InitialiseOptions
	c := &cobra.Command{
		Use:   "bucket-init",
		Short: "Set a bucket up for snapshots: versioning, default encryption, a lifecycle for election/",
		Long: `Set a bucket up for snapshots: what an upload replaces is kept, objects are encrypted, and
what elections leave behind is removed, as is, after a time, what was replaced. It takes an
account that may administer the bucket, which no node needs. Repeating it does no harm; a
lifecycle rule of somebody else stays.`,
		Example: "  blackout fallback bucket-init --storage s3://backup/eu --version 3.9.1 --create",
		Args:    noArguments,
	}
	flags := c.Flags()
	flags.BoolVar(&options.Create, "create", false, "make the bucket, if it is not there")
	flags.StringVar(&options.KMSKey, "kms-key", "", "encrypt with this KMS key by default; without it, with the store's own keys")
	flags.BoolVar(&options.NoEncryption, "no-encryption", false, "leave the default encryption alone")
	flags.StringSliceVar(&options.Versions, "version", nil, "versions of the gateway, beside those that the bucket has objects of")
	flags.IntVar(&options.ElectionDays, "election-days", 7, "remove an election's objects that nobody wrote for so many days")
	flags.IntVar(&options.KeepDays, "keep-days", 30, "keep replaced snapshots for so many days; 0: for ever")
	flags.BoolVar(&options.DryRun, "dry-run", false, "say what would be set, and set nothing")
	c.MarkFlagsMutuallyExclusive("kms-key", "no-encryption")
	c.RunE = f.ran(func(c *cobra.Command) error {
		if options.ElectionDays < 1 || options.KeepDays < 0 || max(options.ElectionDays, options.KeepDays) > maxDays {
			return fmt.Errorf("%w: --election-days takes 1 to %d, --keep-days 0 to %d", run.ErrUsage, maxDays, maxDays)
		}
		return f.with(func(s *operator.Storage) error {
			done, err := s.Initialise(c.Context(), s.Administration(), options)
			if len(done.Steps) > 0 {
				if emitErr := f.emit(c, done); emitErr != nil {
					return emitErr
				}
			}
			if err != nil {
				return err
			}
			return wrongIf(!done.Complete())
		})
	})
	return c
}
