// Java 17 or later, nothing to install: java CheckProof.java keys.json TOKEN
import static java.nio.charset.StandardCharsets.UTF_8;

import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.RSAPublicKeySpec;
import java.util.Base64;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

class CheckProof {
    public static void main(String[] args) throws Exception {
        String[] parts = args[1].split("\\.", -1);
        String header = new String(bytes(parts[0]), UTF_8);
        String kid = member(header, "kid");
        // Java has no JSON parser. A regular expression is enough, because a key contains only strings.
        String key = Pattern.compile("\\{[^{}]*}").matcher(Files.readString(Path.of(args[0]))).results()
            .map(MatchResult::group).filter(one -> member(one, "kid").equals(kid)).findFirst()
            .orElseThrow(() -> new SecurityException("refused: unknown kid"));
        String alg = member(key, "alg");
        if (parts.length != 3 || !member(header, "typ").equals("cee-proof+jwt") || !member(header, "alg").equals(alg)) {
            throw new SecurityException("refused: not a proof token");
        }
        Signature signature = switch (alg) {
            case "ES256" -> Signature.getInstance("SHA256withECDSAinP1363Format");
            case "RS512" -> Signature.getInstance("SHA512withRSA");
            default -> throw new SecurityException("refused: " + alg);
        };
        signature.initVerify(publicKey(key));
        signature.update((parts[0] + "." + parts[1]).getBytes(UTF_8));
        if (!signature.verify(bytes(parts[2]))) {
            throw new SecurityException("refused: the signature is wrong");
        }
        System.out.println(new String(bytes(parts[1]), UTF_8));
    }

    static PublicKey publicKey(String key) throws Exception {
        if (member(key, "kty").equals("RSA")) {
            return KeyFactory.getInstance("RSA").generatePublic(new RSAPublicKeySpec(number(key, "n"), number(key, "e")));
        }
        AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
        curve.init(new ECGenParameterSpec("secp256r1"));
        ECPoint point = new ECPoint(number(key, "x"), number(key, "y"));
        return KeyFactory.getInstance("EC")
            .generatePublic(new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class)));
    }

    static BigInteger number(String key, String name) {
        return new BigInteger(1, bytes(member(key, name)));
    }

    static byte[] bytes(String base64) {
        return Base64.getUrlDecoder().decode(base64);
    }

    static String member(String json, String name) {
        return Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"]*)\"").matcher(json).results()
            .map(found -> found.group(1)).findFirst().orElse("");
    }
}
