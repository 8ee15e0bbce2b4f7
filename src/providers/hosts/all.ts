/** The providers by id. */
import type { Provider, ProviderId } from '../model.ts';
import { aiven } from './aiven.ts';
import { aurora } from './aurora.ts';
import { azure } from './azure.ts';
import { crunchy } from './crunchy.ts';
import { digitalocean } from './digitalocean.ts';
import { fly } from './fly.ts';
import { alloydb, cloudsql } from './google.ts';
import { heroku } from './heroku.ts';
import { neon } from './neon.ts';
import { planetscale } from './planetscale.ts';
import { railway } from './railway.ts';
import { rds } from './rds.ts';
import { render } from './render.ts';
import { selfhosted } from './selfhosted.ts';
import { supabase } from './supabase.ts';
import { timescale } from './timescale.ts';

export const providers: Readonly<Record<ProviderId, Provider>> = {
  rds,
  aurora,
  cloudsql,
  azure,
  digitalocean,
  alloydb,
  supabase,
  neon,
  heroku,
  crunchy,
  aiven,
  timescale,
  render,
  planetscale,
  fly,
  railway,
  selfhosted,
};
