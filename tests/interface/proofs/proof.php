<?php
// PHP's own openssl, nothing to install: php proof.php keys.json TOKEN
function refuse(string $why): never
{
    fwrite(STDERR, "refused: $why\n");
    exit(1);
}
function bytes(string $text): string
{
    $bytes = base64_decode(strtr($text, '-_', '+/'), true);
    return $bytes === false ? refuse('not base64url') : $bytes;
}
function der(int $tag, string ...$parts): string
{
    $body = implode('', $parts);
    $length = strlen($body);
    return chr($tag) . ($length < 128 ? chr($length) : chr(0x82) . pack('n', $length)) . $body;
}
function integer(string $bytes): string
{
    $bytes = ltrim($bytes, "\0");
    return der(0x02, $bytes === '' || ord($bytes) > 127 ? "\0$bytes" : $bytes);
}
function pem(array $key): string
{
    $der = $key['kty'] === 'EC'
        ? hex2bin('3059301306072a8648ce3d020106082a8648ce3d03010703420004') . bytes($key['x']) . bytes($key['y'])
        : der(0x30, hex2bin('300d06092a864886f70d0101010500'),
            der(0x03, "\0", der(0x30, integer(bytes($key['n'])), integer(bytes($key['e'])))));
    return "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64, "\n") . "-----END PUBLIC KEY-----\n";
}

$keys = array_column(json_decode(file_get_contents($argv[1]), true)['keys'], null, 'kid');
$parts = explode('.', $argv[2]);
count($parts) === 3 || refuse('not a JWS');
$header = json_decode(bytes($parts[0]), true);
$key = $keys[$header['kid'] ?? ''] ?? refuse('unknown kid');
($header['typ'] ?? '') === 'cee-proof+jwt' || refuse('not a proof token');
($header['alg'] ?? '') === $key['alg'] || refuse("another algorithm than the key's");
$signature = bytes($parts[2]);
if ($key['alg'] === 'ES256') {
    strlen($signature) === 64 || refuse('the signature is wrong');
    // openssl reads the two numbers of the signature as DER.
    $signature = der(0x30, ...array_map('integer', str_split($signature, 32)));
}
$hash = ['ES256' => OPENSSL_ALGO_SHA256, 'RS512' => OPENSSL_ALGO_SHA512][$key['alg']] ?? refuse($key['alg']);
openssl_verify("$parts[0].$parts[1]", $signature, pem($key), $hash) === 1 || refuse('the signature is wrong');
echo bytes($parts[1]), "\n";
