import type { DatabaseSync } from 'node:sqlite'
import type { SchemaStep } from '../../foundation/storage/index.ts'

/**
 * A profile never goes down: the store itself refuses, whatever code asks. Names of profiles sort as
 * their levels do. Records stay for ever, so that no second one with less takes their place.
 */
const FLOOR_SCHEMA: readonly string[] = Object.freeze([
  `ALTER TABLE token ADD COLUMN raises TEXT`,
  `CREATE INDEX principal_mac ON principal (mac)`,
  `CREATE TRIGGER principal_floor BEFORE UPDATE OF profile ON principal
    WHEN NEW.profile < OLD.profile
    BEGIN SELECT RAISE(ABORT, 'a profile never goes down'); END`,
  `CREATE TRIGGER principal_same_key BEFORE INSERT ON principal
    WHEN EXISTS (SELECT 1 FROM principal
      WHERE (id = NEW.id OR identity_spki = NEW.identity_spki) AND profile > NEW.profile)
    BEGIN SELECT RAISE(ABORT, 'a profile never goes down'); END`,
  `CREATE TRIGGER principal_kept BEFORE DELETE ON principal
    BEGIN SELECT RAISE(ABORT, 'records of principals are kept'); END`,
])

/** The schema step of floors: raise tokens, and triggers that refuse a lower profile. */
export const floorSchema: SchemaStep = Object.freeze({
  name: 'floors never fall',
  up: (raw: DatabaseSync): void => {
    for (const statement of FLOOR_SCHEMA) raw.exec(statement)
  },
})

/** The schema step that lets a trigger find an identity key without reading all principals. */
export const floorLookupSchema: SchemaStep = Object.freeze({
  name: 'floors are looked up by key',
  up: (raw: DatabaseSync): void => {
    raw.exec('CREATE INDEX principal_identity ON principal (identity_spki)')
  },
})
