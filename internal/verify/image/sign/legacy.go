package sign

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	cosignbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	images "github.com/kubernaut/kubernaut/internal/image"
)

const signatureAnnotation = "dev.cosignproject.cosign/signature"

func (at place) writeLegacy(ctx context.Context, by *Signer) error {
	claim, err := payload.Cosign{Image: at.digest}.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode claim: %w", err)
	}
	signed, err := at.claimed(ctx, claim, by)
	if err != nil {
		return fmt.Errorf("look for a signature: %w", err)
	}
	if signed {
		return nil
	}
	message, err := by.bundle(ctx, &sign.PlainData{Data: claim})
	if err != nil {
		return err
	}
	options, err := by.annotations(message)
	if err != nil {
		return err
	}
	layer, err := static.NewSignature(claim, base64.StdEncoding.EncodeToString(message.GetMessageSignature().GetSignature()), options...)
	if err != nil {
		return fmt.Errorf("encode signature: %w", err)
	}
	remote := ociremote.WithRemoteOptions(at.repo.WriteOptions(ctx)...)
	entity, err := mutate.AttachSignatureToEntity(ociremote.SignedUnknown(at.digest, remote), layer)
	if err != nil {
		return fmt.Errorf("append signature: %w", err)
	}
	if err := ociremote.WriteSignatures(at.digest.Repository, entity, remote); err != nil {
		return fmt.Errorf("write signature: %w", err)
	}
	return nil
}

// claimed reports whether the signer's key signed the claim before. A claim has
// but one form, so its digest names it and it need not be read.
func (at place) claimed(ctx context.Context, claim []byte, by *Signer) (bool, error) {
	if by.keyless() {
		return false, nil
	}
	manifest, err := at.repo.Manifest(ctx, strings.Replace(at.img.Digest, ":", "-", 1)+".sig")
	if errors.Is(err, images.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for i := len(manifest.Layers) - 1; i >= max(0, len(manifest.Layers)-maxListed); i-- {
		layer := manifest.Layers[i]
		if layer.Digest == digestOf(claim) && by.made(claim, decode(layer.Annotations[signatureAnnotation])) {
			return true, nil
		}
	}
	return false, nil
}

// annotations turn what a bundle carries beside the signature into cosign's
// older form.
func (s *Signer) annotations(message *protobundle.Bundle) ([]static.Option, error) {
	var out []static.Option
	if s.keyless() {
		leaf, rest := s.chain()
		out = append(out, static.WithCertChain(leaf, rest))
	}
	material := message.GetVerificationMaterial()
	for _, entry := range material.GetTlogEntries() {
		promise := entry.GetInclusionPromise().GetSignedEntryTimestamp()
		if len(promise) == 0 {
			return nil, errOnlyBundle
		}
		out = append(out, static.WithBundle(&cosignbundle.RekorBundle{
			SignedEntryTimestamp: promise,
			Payload: cosignbundle.RekorPayload{
				Body: base64.StdEncoding.EncodeToString(entry.GetCanonicalizedBody()), IntegratedTime: entry.GetIntegratedTime(),
				LogIndex: entry.GetLogIndex(), LogID: hex.EncodeToString(entry.GetLogId().GetKeyId()),
			},
		}))
	}
	for _, stamp := range material.GetTimestampVerificationData().GetRfc3161Timestamps() {
		out = append(out, static.WithRFC3161Timestamp(&cosignbundle.RFC3161Timestamp{SignedRFC3161Timestamp: stamp.GetSignedTimestamp()}))
	}
	return out, nil
}
