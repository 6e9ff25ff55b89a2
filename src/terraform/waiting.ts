import { asObject } from '../lib/json.ts';
import type { TerraformAction } from './configuration.ts';

/**
 * Returns whether a stored Configuration still waits for a failed Job of this action. terraform-controller sets no failed
 * state: after a failed apply the state stays the one of a running apply, and after a failed destroy the Configuration
 * keeps its finalizer. A Configuration that is being deleted waits for its destroy only.
 */
export function isWaiting(configuration: unknown, action: TerraformAction): boolean {
  const { metadata, status } = asObject(configuration);
  const isBeingDeleted = typeof asObject(metadata).deletionTimestamp === 'string';
  if (action === 'destroy') return isBeingDeleted;
  return !isBeingDeleted && asObject(asObject(status).apply).state !== 'Available';
}
