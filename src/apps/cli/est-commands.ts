import type { EstAccess } from '../authority/index.ts'
import { printable } from './output.ts'

/**
 * What is pasted into a shell of a device without `kosd`: curl and openssl are all it needs. The secret
 * goes to curl by its standard input, so that it stands in no list of processes; the root comes along, so
 * that no other server gets it.
 *
 * @param access - as the authority answered
 * @returns the commands, a line each
 */
export function estCommands({ url, user, password, rootPem }: EstAccess): string {
  const root = rootPem.trimEnd().split('\n').map(printable).join('\n')
  return `# On the device, in an empty folder: curl and openssl are enough.
umask 077
cat > kos-root.pem <<'END'
${root}
END
openssl ecparam -name prime256v1 -genkey -noout -out device.key
openssl req -new -key device.key -subj / -outform DER | openssl base64 > device.csr
curl --fail-with-body --silent --show-error --config - --cacert kos-root.pem \\
  --header 'Content-Type: application/pkcs10' --data-binary @device.csr \\
  --output device.p7 '${printable(url)}/simpleenroll' <<'END'
user = "${printable(user)}:${printable(password)}"
END
openssl base64 -d -in device.p7 | openssl pkcs7 -inform DER -print_certs -out device.pem
openssl x509 -in device.pem -noout -subject -enddate`
}
