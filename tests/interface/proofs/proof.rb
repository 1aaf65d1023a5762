# gem install jwt (Debian: ruby-jwt), then: ruby proof.rb keys.json TOKEN
require "json"
require "jwt"

keys = JSON.parse(File.read(ARGV[0]), symbolize_names: true)
# Finds the key by the token's kid, and raises if there is none.
proof, header = JWT.decode(ARGV[1], nil, true, algorithms: %w[ES256 RS512], jwks: keys)
key = keys[:keys].find { |one| one[:kid] == header["kid"] }
abort "refused: not a proof token" unless header["typ"] == "cee-proof+jwt" && header["alg"] == key[:alg]
puts JSON.generate(proof)
