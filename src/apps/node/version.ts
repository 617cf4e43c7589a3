/** The version of kOS; a test holds it equal to the package's. */
export const KOS_VERSION = '0.1.0'
