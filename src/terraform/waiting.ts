import { asObject } from '../lib/json.ts';
import type { TerraformAction } from './configuration.ts';

/**
 * Returns whether a stored Configuration still waits for a failed Job of this action. terraform-controller sets no failed
 * state: after a failed apply the state stays the one of a running apply, and after a failed destroy the Configuration
 * keeps its finalizer.
 */
export function isWaiting(configuration: unknown, action: TerraformAction): boolean {
  const { metadata, status } = asObject(configuration);
  if (action === 'destroy') return typeof asObject(metadata).deletionTimestamp === 'string';
  return asObject(asObject(status).apply).state !== 'Available';
}
