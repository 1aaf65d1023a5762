//! History and journey files: CSV bytes in, validated rows out.
